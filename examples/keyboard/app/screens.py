"""What a person sees: the page to type on, the privacy page, and the question before everything is deleted."""

from collections.abc import Callable
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Button, DataTable, Footer, Header, Input, Label, Static

from examples.keyboard.app.keyboard import Keyboard
from examples.keyboard.app.typing import SUGGESTIONS, Keystrokes, accepted
from fieldfare.core.errors import FieldfareError

_NEWEST = 200


class TypingScreen(Screen[None]):
    """Messages, three suggestions, and the line in which one types."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "accept(0)", "first", priority=True),
        *(Binding(f"f{place + 1}", f"accept({place})", f"word {place + 1}") for place in range(SUGGESTIONS)),
        Binding("f8", "app.push_screen('privacy')", "privacy"),
        Binding("ctrl+q", "app.quit", "quit"),
    ]

    def __init__(self, keyboard: Keyboard) -> None:
        super().__init__()
        self._keyboard = keyboard
        self._draft = ""
        self._offered: tuple[str, ...] = ()
        self.keystrokes = Keystrokes()

    def compose(self) -> ComposeResult:
        """The page from top to bottom."""
        yield Header(icon=" ")
        yield VerticalScroll(id="messages")
        with Horizontal(id="suggestions"):
            for place in range(SUGGESTIONS):
                yield Label(id=f"suggestion-{place}", classes="suggestion")
        yield Input(placeholder="type a message; Enter keeps it", id="draft")
        yield Static(id="keystrokes")
        yield Static(id="status")
        yield Footer()

    def on_mount(self) -> None:
        """Begin with an empty line."""
        self.query_one("#draft", Input).focus()
        self._offer()

    def on_screen_resume(self) -> None:
        """Come back from the privacy page, where examples may have gone."""
        self._offer()

    def show_status(self, text: str) -> None:
        """What the device is doing."""
        self.query_one("#status", Static).update(f"device: {text}")
        self._offer()

    @on(Input.Changed, "#draft")
    def _typed(self, event: Input.Changed) -> None:
        if event.value != self._draft:
            self.keystrokes = self.keystrokes.typed(max(1, abs(len(event.value) - len(self._draft))))
            self._draft = event.value
        self._offer()

    @on(Input.Submitted, "#draft")
    def _sent(self, event: Input.Submitted) -> None:
        message = event.value.strip()
        if not message:
            return
        try:
            self._keyboard.keep(message)
        except FieldfareError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.query_one("#messages").mount(Static(message, markup=False, classes="message"))
        self.keystrokes = self.keystrokes.typed()
        self._replace("")

    def action_accept(self, place: int) -> None:
        """Put a suggestion in the place of the unfinished word."""
        if place < len(self._offered):
            word = self._offered[place]
            self.keystrokes = self.keystrokes.accepted(self._draft, word)
            self._replace(accepted(self._draft, word))

    def _replace(self, draft: str) -> None:
        self._draft = draft
        line = self.query_one("#draft", Input)
        line.value = draft
        line.cursor_position = len(draft)
        self._offer()

    def _offer(self) -> None:
        try:
            self._offered = self._keyboard.suggest(self._draft)
        except FieldfareError as error:
            self._offered = ()
            self.notify(str(error), severity="error", markup=False)
        for place in range(SUGGESTIONS):
            word = self._offered[place] if place < len(self._offered) else ""
            self.query_one(f"#suggestion-{place}", Label).update(f"[dim]F{place + 1}[/dim] {word}")
        strokes = self.keystrokes
        self.query_one("#keystrokes", Static).update(
            f"{strokes.pressed} keys pressed, {strokes.saved} saved ({strokes.share:.0%}); "
            f"{self._keyboard.kept()} examples on this device"
        )


class PrivacyScreen(Screen[None]):
    """What is kept here, what has left, and the way to delete it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "back"),
        Binding("v", "verify", "verify the ledger"),
        Binding("d", "delete", "delete everything"),
    ]

    def __init__(self, keyboard: Keyboard, take_part: Callable[[], None]) -> None:
        super().__init__()
        self._keyboard, self._take_part = keyboard, take_part

    def compose(self) -> ComposeResult:
        """The page from top to bottom."""
        yield Header(icon=" ")
        yield Static(id="kept")
        yield DataTable(id="totals", cursor_type="none")
        yield Static(id="verified", markup=False)
        yield DataTable(id="entries", cursor_type="row")
        yield Footer()

    def on_mount(self) -> None:
        """Make the columns."""
        self.query_one("#totals", DataTable).add_columns("kind", "messages", "bytes")
        self.query_one("#entries", DataTable).add_columns("no.", "time (UTC)", "kind", "round", "bytes", "norm")

    def on_screen_resume(self) -> None:
        """Read the ledger."""
        self._show()

    def action_verify(self) -> None:
        """Compute the chain of hashes anew."""
        broken = self._keyboard.ledger.verify()
        told = "every row is as it was written" if broken is None else f"row {broken} was changed, or is missing"
        self.query_one("#verified", Static).update(f"Ledger: {told}.")

    def action_delete(self) -> None:
        """Ask first."""
        self.app.push_screen(DeleteQuestion(self._keyboard.kept()), self._answered)

    def _answered(self, sure: bool | None) -> None:
        if sure:
            self._delete()

    @work(thread=True, exclusive=True)
    def _delete(self) -> None:
        try:
            self._keyboard.pause()
            told = f"{self._keyboard.delete_everything()} examples deleted; the ledger stays"
        except FieldfareError as error:
            told = str(error)
        self.app.call_from_thread(self._deleted, told)

    def _deleted(self, told: str) -> None:
        self.notify(told, markup=False)
        self._take_part()
        self._show()

    def _show(self) -> None:
        ledger = self._keyboard.ledger
        keyboard = self._keyboard
        self.query_one("#kept", Static).update(
            f"{keyboard.kept()} examples, made of what you typed, are in {keyboard.folder} and nowhere else.\n"
            f"{_own_words(keyboard)}\n"
            f"These {len(ledger)} messages with {ledger.total_bytes():,} bytes have left this device:"
        )
        totals = self.query_one("#totals", DataTable)
        totals.clear()
        for kind, found in ledger.totals().items():
            totals.add_row(kind.value, found.messages, f"{found.size_bytes:,}")
        entries = self.query_one("#entries", DataTable)
        entries.clear()
        for row in list(ledger)[: -_NEWEST - 1 : -1]:
            norm = "" if row.update_norm is None else f"{row.update_norm:.3g}"
            entries.add_row(
                row.number,
                f"{row.time:%Y-%m-%d %H:%M:%S}",
                row.kind.value,
                row.round_number,
                f"{row.size_bytes:,}",
                norm,
            )
        self.action_verify()


class DeleteQuestion(ModalScreen[bool]):
    """Whether to delete everything."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", "no"),
        Binding("y", "dismiss(True)", "yes"),
    ]

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def compose(self) -> ComposeResult:
        """The question and its two answers."""
        with Vertical(id="question"):
            yield Label(
                f"Delete all {self._count} examples, and what was made from them and has not left?\n"
                "What has left cannot be called back. The ledger stays."
            )
            with Horizontal():
                yield Button("Yes, delete (y)", variant="error", id="yes")
                yield Button("No (Esc)", id="no")

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


def _own_words(keyboard: Keyboard) -> str:
    own = keyboard.own
    if own is None:
        return "The suggestions are not tuned to you yet."
    return f"Tuned to you on this device, {'in use' if own.kept else 'not in use'}: {own.detail}."
