"""Options that say when a device works."""

import argparse
from datetime import timedelta

from fieldfare.sdk.conditions import Conditions, TimeWindow

_LARGEST = 10**9
_MEGABYTE = 10**6
_PERCENT = 100


def add_conditions(parser: argparse.ArgumentParser) -> None:
    """Add an option for each of `Conditions`, and the one for the device's own pace."""
    group = parser.add_argument_group(
        "when to work", "Looked at before a check-in and before every step of training. What cannot be read fails."
    )
    group.add_argument("--on-power", action="store_true", help="on mains power only, or without a battery")
    group.add_argument("--min-battery", type=number, default=0.0, metavar="PERCENT", help="with so much battery only")
    group.add_argument("--unmetered", action="store_true", help="on a network that does not cost by the byte only")
    group.add_argument(
        "--max-load", type=number, default=100.0, metavar="PERCENT", help="while others use no more of the processor"
    )
    group.add_argument(
        "--user-idle", type=number, default=0.0, metavar="SECONDS", help="once nobody has used the machine for so long"
    )
    group.add_argument("--hours", metavar="HH:MM-HH:MM", help="at these hours of the local time; over midnight too")
    group.add_argument("--max-temperature", type=number, metavar="CELSIUS", help="while the machine is no hotter")
    group.add_argument(
        "--min-separation",
        type=number,
        default=0.0,
        metavar="SECONDS",
        help="at the earliest so long after the last participation, also over restarts",
    )
    group.add_argument("--min-memory", type=number, default=0.0, metavar="MB", help="with so much free memory only")


def conditions_of(options: argparse.Namespace) -> Conditions:
    """What the options ask for.

    Raises:
        ConfigError: a value out of its bounds.
    """
    return Conditions(
        on_power=options.on_power,
        min_battery_percent=options.min_battery,
        unmetered=options.unmetered,
        max_cpu_load=options.max_load / _PERCENT,
        min_user_idle=timedelta(seconds=options.user_idle),
        hours=None if options.hours is None else TimeWindow.parse(options.hours),
        max_temperature_celsius=options.max_temperature,
        min_free_memory_bytes=int(options.min_memory * _MEGABYTE),
    )


def number(text: str) -> float:
    """A number of an option; none that is no number, or endless."""
    value = float(text)
    if not -_LARGEST <= value <= _LARGEST:
        raise argparse.ArgumentTypeError(f"{text} is no number that can be meant")
    return value
