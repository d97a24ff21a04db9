"""One device's part in a round as it would go, and what it comes to where it ends early."""

from dataclasses import dataclass
from datetime import timedelta

_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class Load:
    """What a device is asked to do.

    Attributes:
        bytes_down: artifacts to fetch.
        examples: to work through, each pass counted.
        training: or evaluation.
        bytes_up: of its report.
    """

    bytes_down: int
    examples: int
    training: bool
    bytes_up: int


@dataclass(frozen=True, slots=True)
class Course:
    """What it takes, if nothing happens.

    Attributes:
        load: what is done.
        download: until the artifacts are there.
        work: until the examples are worked through.
        upload: until the report is there.
        networks: kind of the network of the download, and of the upload.
    """

    load: Load
    download: timedelta
    work: timedelta
    upload: timedelta
    networks: tuple[int, int]

    @property
    def takes(self) -> timedelta:
        """From the assignment to the report."""
        return self.download + self.work + self.upload


@dataclass(frozen=True, slots=True)
class Spent:
    """What a device's part came to.

    Attributes:
        download: time of each step.
        work: the same.
        upload: the same.
        energy_j: joules, beyond what the device takes anyway.
    """

    download: timedelta
    work: timedelta
    upload: timedelta
    energy_j: float


def parts_until(course: Course, took: timedelta) -> tuple[timedelta, timedelta, timedelta]:
    """How long each step lasted where the device's part ended after so long."""
    download = min(took, course.download)
    work = min(took - download, course.work)
    return download, work, min(took - download - work, course.upload)


def share(part: timedelta, whole: timedelta) -> float:
    """How much of a step was done; bytes of a transfer count as if they came evenly."""
    return part / whole if whole > _ZERO else 1.0
