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
    add("--output", type=Path, default=Path("runs/demo"), help="folder for the results (default: %(default)s)")
    add("--devices", type=int, default=30, help="how many devices (default: %(default)s)")
    add("--rounds", type=int, default=40, help="training rounds at the most (default: %(default)s)")
    add("--target", type=float, default=0.965, help="held-out accuracy at which it ends (default: %(default)s)")
    add("--alpha", type=float, default=0.5, help="Dirichlet concentration of the labels (default: %(default)s)")
    add("--processes", type=int, default=2, help="worker processes for the devices (default: %(default)s)")
    add("--port", type=int, default=0, help="port of the aggregator on 127.0.0.1 (default: any free one)")
    add("--seed", type=int, default=1, help="seed of split, model and shuffling (default: %(default)s)")
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


COMMAND = Command(summary="try everything on this machine: digits over 30 devices", configure=_configure)
