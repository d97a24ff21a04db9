import os
from pathlib import Path

import pytest

from fieldfare.aggregator.storage import StateFolder
from fieldfare.core.errors import StorageError
from fieldfare.emulator.results_folder import prepare_folder


def content(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*"))


def test_makes_a_folder_and_those_above_it(tmp_path: Path):
    folder = prepare_folder(tmp_path / "runs" / "demo", "demo")
    assert folder == tmp_path / "runs" / "demo"
    assert content(folder) == [".fieldfare-demo"]


def test_takes_an_empty_folder(tmp_path: Path):
    assert content(prepare_folder(tmp_path, "demo")) == [".fieldfare-demo"]


def test_empties_its_own(tmp_path: Path):
    folder = prepare_folder(tmp_path / "demo", "demo")
    (folder / "devices" / "00").mkdir(parents=True)
    (folder / "devices" / "00" / "examples.db").write_text("x")
    (folder / "report.html").write_text("x")
    assert content(prepare_folder(folder, "demo")) == [".fieldfare-demo"]


def test_leaves_what_its_links_point_to(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one").write_text("mine")
    (tmp_path / "note").write_text("mine")
    folder = prepare_folder(tmp_path / "demo", "demo")
    (folder / "photos").symlink_to(tmp_path / "photos")
    (folder / "note").symlink_to(tmp_path / "note")
    assert content(prepare_folder(folder, "demo")) == [".fieldfare-demo"]
    assert (tmp_path / "photos" / "one").read_text() == (tmp_path / "note").read_text() == "mine"


@pytest.mark.parametrize("name", ["thesis.txt", ".hidden"])
def test_refuses_files_that_no_demo_wrote(tmp_path: Path, name: str):
    (tmp_path / name).write_text("mine")
    with pytest.raises(StorageError, match=f"^{tmp_path} holds files that no demo wrote: choose another folder"):
        prepare_folder(tmp_path, "demo")
    assert content(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_the_marker_is_the_last_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = prepare_folder(tmp_path / "demo", "demo")
    for name in "abc":
        (folder / name).write_text("x")

    def interrupted(child: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fieldfare.emulator.results_folder._remove", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare_folder(folder, "demo")
    assert ".fieldfare-demo" in content(folder)
    assert content(prepare_folder(folder, "demo")) == [".fieldfare-demo"]


def test_leaves_a_demo_alone_that_is_running(tmp_path: Path):
    folder = prepare_folder(tmp_path / "demo", "demo")
    (folder / "plan.tflite").write_text("x")
    with StateFolder(folder / "state"):
        with pytest.raises(StorageError, match="another aggregator is running on the state folder"):
            prepare_folder(folder, "demo")
        assert (folder / "plan.tflite").read_text() == "x"
    assert content(prepare_folder(folder, "demo")) == [".fieldfare-demo"]


@pytest.mark.parametrize("below", ["", "demo"])
def test_a_file_in_place_of_a_folder(tmp_path: Path, below: str):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(
        StorageError, match=r"^cannot write to .*(it is a file; choose a folder|Not a directory; choose another folder)"
    ):
        prepare_folder(tmp_path / "file" / below, "demo")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_an_unwritable_folder(tmp_path: Path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match=r"^cannot write to .*Permission denied; choose another folder"):
            prepare_folder(tmp_path / "demo", "demo")
    finally:
        tmp_path.chmod(0o700)
