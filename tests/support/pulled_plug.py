"""A probe of a device whose plug is pulled at a moment that a test names by counting questions."""

from fieldfare.sdk import SystemProbe


class Plug(SystemProbe):
    """Is pulled after so many questions: one before the check-in, one before each step."""

    def __init__(self, holds: int) -> None:
        super().__init__()
        self.left, self.asked = holds, 0

    def on_power(self) -> bool:
        self.asked += 1
        self.left -= 1
        return self.left >= 0
