"""How long bytes take to a device and from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.devices._bandwidths import Bandwidths
from fieldfare.emulator.devices._cycles import seconds_since_monday
from fieldfare.emulator.devices._followers import Followers
from fieldfare.emulator.devices._states import NO_NETWORK, States


@dataclass(frozen=True, slots=True)
class Networks:
    """Of every device of a fleet.

    Attributes:
        latency: added to each transfer.
        download_bytes_s: `(devices,)` float32: bandwidth of the networks that never change.
        upload_bytes_s: `(devices,)` float32.
        changing: by kind of network (METERED, UNMETERED): bandwidths that change, in place of those.
        states: tell which kind it is, and `followers` whose they are; None: `otherwise`, always.
        followers: of the states.
        otherwise: METERED or UNMETERED.
    """

    latency: timedelta
    download_bytes_s: NDArray[np.float32]
    upload_bytes_s: NDArray[np.float32]
    changing: Mapping[int, tuple[Bandwidths, Followers]]
    states: States | None
    followers: Followers | None
    otherwise: int

    def kind(self, device: int, now: datetime) -> int:
        """METERED or UNMETERED."""
        if self.states is None or self.followers is None:
            return self.otherwise
        moment = seconds_since_monday(now) + float(self.followers.shift_s[device])
        piece, _ = self.states.cycles.find_one(int(self.followers.pattern[device]), moment)
        found = int(self.states.network[piece])
        # Safe: a device without a network has left before it comes so far.
        return self.otherwise if found == NO_NETWORK else found

    def transfer(self, device: int, nbytes: int, now: datetime, *, up: bool) -> tuple[timedelta, int]:
        """How long so many bytes take that begin now, and over which kind of network they go to their end."""
        kind = self.kind(device, now)
        if kind in self.changing:
            bandwidths, followers = self.changing[kind]
            begins = seconds_since_monday(now + self.latency) + float(followers.shift_s[device])
            seconds = bandwidths.seconds(int(followers.pattern[device]), begins, nbytes, up=up)
        else:
            seconds = nbytes / float((self.upload_bytes_s if up else self.download_bytes_s)[device])
        return self.latency + as_duration(seconds), kind


def as_duration(seconds: float) -> timedelta:
    """To the microsecond, as clocks of datetime go; what takes longer than ten years never comes."""
    return timedelta(microseconds=round(1e6 * min(seconds, _LONGEST_S)))


_LONGEST_S = 3650 * 86_400.0
