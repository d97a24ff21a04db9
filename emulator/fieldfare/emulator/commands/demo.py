"""`fieldfare demo`."""

import argparse
from pathlib import Path

from fieldfare.core.command import Command, Console

_DESCRIPTION = """\
Train a small CNN on real handwritten digits over 30 devices, end to end on this machine: export to a LiteRT plan,
an aggregator on a loopback port, devices in several processes over gRPC, rounds until the target is reached, a report.

example:
  fieldfare demo --output runs/demo
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    add = parser.add_argument
    add(
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("runs/demo"),
        help="for the results; emptied of an earlier demo's (%(default)s)",
    )
    add("--devices", metavar="N", type=int, default=30, help="how many devices (%(default)s)")
    add("--rounds", metavar="N", type=int, default=40, help="training rounds at the most (%(default)s)")
    add("--target", metavar="SHARE", type=float, default=0.965, help="held-out accuracy that ends it (%(default)s)")
    add("--alpha", metavar="A", type=float, default=0.5, help="Dirichlet concentration of the labels (%(default)s)")
    add("--processes", metavar="N", type=int, default=2, help="worker processes for the devices (%(default)s)")
    add("--port", metavar="PORT", type=int, default=0, help="of the aggregator on 127.0.0.1 (any free one)")
    add("--seed", metavar="N", type=int, default=1, help="of split, model and shuffling (%(default)s)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.emulator.demo import DemoSettings, run_demo

    settings = DemoSettings(
        output=options.output,
        devices=options.devices,
        rounds=options.rounds,
        target=options.target,
        alpha=options.alpha,
        processes=options.processes,
        port=options.port,
        seed=options.seed,
    )
    return 0 if run_demo(settings, console) else 1


COMMAND = Command(summary="Try everything on this machine: digits over 30 devices", configure=_configure)
