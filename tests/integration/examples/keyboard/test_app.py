"""The keyboard, driven by its keys: a real store, a real plan, a real aggregator."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Label, Static

from examples.keyboard.__main__ import main as keyboard_main
from examples.keyboard.app.app import KeyboardApp
from examples.keyboard.app.keyboard import PLAN, Keyboard, KeyboardSettings
from examples.keyboard.app.local import local_aggregator
from examples.keyboard.prepare import main as prepare_main
from examples.keyboard.prepare import own_texts
from examples.keyboard.words import Vocabulary
from fieldfare.core.errors import DataError, NotFoundError
from fieldfare.sdk import ExampleStore
from fieldfare.sdk.ledger import LedgerKind

NOBODY = "127.0.0.1:1"
MESSAGES = ("To be or not to be, that is the question", "Whether it is nobler in the mind to suffer", "it is not")


def settings(folder: Path, model: Path, aggregator: str = NOBODY) -> KeyboardSettings:
    return KeyboardSettings(folder, model, aggregator, pause=timedelta(0))


def drive(keyboard: Keyboard, steps: Callable[[Pilot[None], KeyboardApp], object]) -> None:
    async def run() -> None:
        app = KeyboardApp(keyboard)
        async with app.run_test(size=(110, 40)) as pilot:
            await pilot.pause()
            await steps(pilot, app)  # type: ignore[misc]

    asyncio.run(run())


def offered(app: KeyboardApp) -> list[str]:
    labels = (app.typing.query_one(f"#suggestion-{place}", Label) for place in range(3))
    return [str(label.render()).split(" ", 1)[1] for label in labels]


def text(app: KeyboardApp, where: str) -> str:
    return str(app.screen.query_one(where, Static).render())


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await pilot.pause(0.05)


def test_a_word_is_begun_accepted_and_kept_as_numbers(tmp_path: Path, model: Path) -> None:
    async def steps(pilot: Pilot[None], app: KeyboardApp) -> None:
        assert len(set(offered(app))) == 3
        await pilot.press("q")
        # The one word of the vocabulary that begins so.
        assert offered(app) == ["question", "", ""]
        await pilot.press("tab")
        line = app.typing.query_one("#draft", Input)
        assert line.value == "question "
        assert (app.typing.keystrokes.pressed, app.typing.keystrokes.saved) == (2, 7)
        assert "2 keys pressed, 7 saved (78%)" in text(app, "#keystrokes")
        second = offered(app)[1]
        await pilot.press("f2")
        assert line.value == f"question {second} "
        await pilot.press(*"tyrants", "enter")
        assert line.value == ""
        assert "1 examples on this device" in text(app, "#keystrokes")

    with Keyboard(settings(tmp_path, model)) as keyboard:
        drive(keyboard, steps)
    raw = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"question" not in raw
    assert b"tyrants" not in raw
    with ExampleStore.open(tmp_path / "examples.db") as store:
        assert store.count() == 1


def test_what_is_typed_trains_in_the_background_and_the_privacy_page_tells_and_deletes(
    tmp_path: Path, model: Path
) -> None:
    async def steps(pilot: Pilot[None], app: KeyboardApp) -> None:
        before = keyboard.suggest("")
        assert "4 examples are missing" in text(app, "#status")
        for message in MESSAGES * 3:
            app.typing.query_one("#draft", Input).value = message
            await pilot.press("enter")
        await until(pilot, lambda: LedgerKind.UPDATE in keyboard.ledger.totals())
        await until(pilot, lambda: "training on what was typed here" in text(app, "#status"))
        await until(pilot, lambda: "update counted" in text(app, "#status"))
        await until(pilot, lambda: keyboard.suggest("") != before)
        await until(pilot, lambda: keyboard.own is not None)
        await pilot.press("f8")
        await pilot.pause()
        assert "Tuned to you on this device" in text(app, "#kept")
        entries = app.screen.query_one("#entries", DataTable)
        assert entries.row_count > 2
        kinds = [entries.get_row_at(row)[2] for row in range(entries.row_count)]
        assert "update" in kinds
        assert "check_in" in kinds
        assert "every row is as it was written" in text(app, "#verified")
        assert str(tmp_path) in text(app, "#kept")

        await pilot.press("d", "escape")
        assert keyboard.kept() == 9
        sent = len(keyboard.ledger)
        await pilot.press("d", "y")
        await until(pilot, lambda: keyboard.kept() == 0)
        await until(pilot, lambda: "0 examples" in text(app, "#kept"))
        assert len(keyboard.ledger) >= sent > 0
        assert keyboard.own is None
        assert "not tuned to you yet" in text(app, "#kept")
        await pilot.press("escape")
        await pilot.pause()
        assert "0 examples on this device" in text(app, "#keystrokes")

    with (
        local_aggregator(
            tmp_path / "aggregator", model / PLAN, "keyboards", pause=timedelta(milliseconds=50)
        ) as address,
        Keyboard(settings(tmp_path / "mine", model, address)) as keyboard,
    ):
        drive(keyboard, steps)
    assert not (tmp_path / "mine" / "device" / "outbox").exists()


def test_a_ledger_that_was_changed_is_told(tmp_path: Path, model: Path) -> None:
    async def steps(pilot: Pilot[None], app: KeyboardApp) -> None:
        for message in MESSAGES * 3:
            keyboard.keep(message)
        await until(pilot, lambda: len(keyboard.ledger) > 0)
        with sqlite3.connect(tmp_path / "device" / "ledger.db") as other:
            other.execute("DROP TRIGGER no_update")
            other.execute("UPDATE entries SET bytes = 1 WHERE number = 1")
        await pilot.press("f8")
        await until(pilot, lambda: "row 1 was changed" in text(app, "#verified"))

    with Keyboard(settings(tmp_path, model)) as keyboard:
        drive(keyboard, steps)


def test_commands_tell_what_is_wrong_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keyboard_main(["--model", str(tmp_path), "--folder", str(tmp_path / "mine")]) == 1
    assert capsys.readouterr().err == f"error: there is no vocabulary {tmp_path / 'vocabulary.txt'}\n"
    assert keyboard_main(["--model", str(tmp_path), "--pause", "-1"]) == 1
    assert "--pause: must be 0 to 604800 seconds" in capsys.readouterr().err
    assert prepare_main([str(tmp_path / "absent.txt"), "--output", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == f"error: there is no {tmp_path / 'absent.txt'}\n"
    (tmp_path / "numbers.txt").write_text("1, 2, 3")
    assert prepare_main([str(tmp_path / "numbers.txt"), "--output", str(tmp_path / "out")]) == 1
    assert "needs words" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_vocabulary_is_of_the_text_that_was_given(model: Path) -> None:
    words = Vocabulary.read(model / "vocabulary.txt").words
    # The most frequent first, between equals by the alphabet: "to" comes three times.
    assert words[:7] == ("to", "be", "is", "mind", "question", "that", "the")
    assert len(words) == 17
    assert {path.name for path in own_texts()} >= {"README.md", "sdk.md"}


def test_a_model_that_is_none_is_told_before_anything_is_made(tmp_path: Path, model: Path) -> None:
    with pytest.raises(NotFoundError, match="vocabulary"):
        Keyboard(settings(tmp_path / "mine", tmp_path))
    (tmp_path / "vocabulary.txt").write_text("a\nb\n")
    with pytest.raises(NotFoundError, match=r"examples\.keyboard\.prepare"):
        Keyboard(settings(tmp_path / "mine", tmp_path))
    (tmp_path / PLAN).write_bytes((model / PLAN).read_bytes())
    with pytest.raises(DataError, match="is not for the 5 ids"):
        Keyboard(settings(tmp_path / "mine", tmp_path))
    assert not (tmp_path / "mine").exists()
