"""Everything about the devices of a fleet, and what a part in a round takes them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fieldfare.emulator.devices._availability import Availability
from fieldfare.emulator.devices._course import Course, Load, Spent, parts_until, share
from fieldfare.emulator.devices._energy import Energy
from fieldfare.emulator.devices._networks import Networks, as_duration

# A backward pass costs about twice a forward pass, so training an example costs three times its evaluation.
_EVALUATION = 1 / 3


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Of every device of a fleet. `draw_behaviour` makes it.

    Attributes:
        examples_per_s: `(devices,)` float32: training examples that it works through in a second.
        networks: how long bytes take.
        availability: when it can work.
        memory_bytes: `(devices,)` int64: what it lends to training.
        energy: what work costs it.
    """

    examples_per_s: NDArray[np.float32]
    networks: Networks
    availability: Availability
    memory_bytes: NDArray[np.int64]
    energy: Energy

    def course(self, device: int, now: datetime, load: Load) -> Course:
        """How long it takes, if nothing happens.

        Args:
            device: from 0.
            now: when it begins.
            load: what it is asked to do.
        """
        download, first = self.networks.transfer(device, load.bytes_down, now, up=False)
        cost = 1.0 if load.training else _EVALUATION
        work = as_duration(cost * load.examples / float(self.examples_per_s[device]))
        upload, last = self.networks.transfer(device, load.bytes_up, now + download + work, up=True)
        return Course(load, download, work, upload, (first, last))

    def spent(self, device: int, course: Course, took: timedelta) -> Spent:
        """What it comes to where the device's part ends after so long."""
        download, work, upload = parts_until(course, took)
        down = course.load.bytes_down * share(download, course.download)
        up = course.load.bytes_up * share(upload, course.upload)
        first, last = (self.energy.radios[kind] for kind in course.networks)
        joules = first.joules(download.total_seconds(), down, up=False)
        joules += float(self.energy.training_w[device]) * work.total_seconds()
        joules += last.joules(upload.total_seconds(), up, up=True)
        return Spent(download, work, upload, joules)
