"""What training may take, as flags."""

import argparse
from datetime import timedelta

from fieldfare.sdk.commands._conditions import number
from fieldfare.sdk.training import Limits

_MB = 1_000_000


def add_limits(parser: argparse.ArgumentParser) -> None:
    """The flags that `limits_of` reads."""
    parser.add_argument(
        "--max-memory", type=number, metavar="MB", help="load no plan that needs more memory to train (10^6 bytes)"
    )
    parser.add_argument(
        "--max-train-time", type=number, metavar="SECONDS", help="end training after so long; what was trained counts"
    )
    parser.add_argument("--max-train-examples", type=int, metavar="N", help="train on the newest N examples at most")


def limits_of(options: argparse.Namespace) -> Limits:
    """The limits that were asked for.

    Raises:
        ConfigError: one that is not positive.
    """
    return Limits(
        memory_bytes=None if options.max_memory is None else int(options.max_memory * _MB),
        time=None if options.max_train_time is None else timedelta(seconds=options.max_train_time),
        examples=options.max_train_examples,
    )
