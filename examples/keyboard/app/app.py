"""The app: two pages over one keyboard."""

from textual.app import App
from textual.message import Message

from examples.keyboard.app.keyboard import Keyboard
from examples.keyboard.app.screens import PrivacyScreen, TypingScreen


class KeyboardApp(App[None]):
    """A person's keyboard in a terminal.

    Args:
        keyboard: the caller closes it.
    """

    TITLE = "Fieldfare keyboard"
    CSS_PATH = "screen.tcss"
    ENABLE_COMMAND_PALETTE = False

    class Told(Message):
        """The device said what it does."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, keyboard: Keyboard) -> None:
        super().__init__()
        self._keyboard = keyboard
        self.typing = TypingScreen(keyboard)

    def on_mount(self) -> None:
        """Show the page to type on, and begin to take part."""
        self.install_screen(PrivacyScreen(self._keyboard, self.take_part), "privacy")
        self.push_screen(self.typing)
        self.take_part()

    def take_part(self) -> None:
        """Take part in rounds, in the background."""
        self._keyboard.start(self._tell)

    def _tell(self, text: str) -> None:
        # Safe: a message may be posted from any thread, and waits for nobody.
        self.post_message(self.Told(text))

    def on_keyboard_app_told(self, message: Told) -> None:
        """Show what the device does."""
        if self.typing.is_mounted:
            self.typing.show_status(message.text)
