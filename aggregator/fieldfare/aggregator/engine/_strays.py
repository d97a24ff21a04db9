"""Late and duplicate reports of rounds that are over."""

from collections import Counter


class Strays:
    """Counts them until they are taken to the data base. The caller guards it with a lock."""

    def __init__(self) -> None:
        self._late: Counter[int] = Counter()
        self._duplicates: Counter[int] = Counter()

    def count(self, round_number: int, *, late: bool) -> None:
        """One more report of this round that came too late, or was counted already."""
        (self._late if late else self._duplicates)[round_number] += 1

    def take(self) -> list[tuple[int, int, int]]:
        """Number, late and duplicate reports of each round, since this was asked last."""
        late, duplicates = self._late, self._duplicates
        self._late, self._duplicates = Counter(), Counter()
        return [(number, late[number], duplicates[number]) for number in sorted(late.keys() | duplicates.keys())]
