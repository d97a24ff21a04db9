"""A device's clock that a test moves."""


class SetClock:
    """That of a machine that is always on."""

    start = "boot"

    def __init__(self) -> None:
        self.at = 100.0

    def seconds(self) -> float:
        return self.at
