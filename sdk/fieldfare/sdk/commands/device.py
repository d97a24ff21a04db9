"""`fieldfare device`: a device from the command line."""

import argparse
from datetime import timedelta
from pathlib import Path

from fieldfare.core.command import Command
from fieldfare.sdk.commands import _device
from fieldfare.sdk.commands._conditions import add_conditions
from fieldfare.sdk.commands._examples import configure_examples
from fieldfare.sdk.commands._ledger import configure_ledger
from fieldfare.sdk.commands._limits import add_limits
from fieldfare.sdk.commands._personal import configure_personalise

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    configure_examples(actions)
    _configure_enroll(actions)
    _configure_run(actions)
    _configure_status(actions)
    configure_ledger(actions)
    _configure_predict(actions)
    configure_personalise(actions)


def _add_tls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tls-ca", type=Path, metavar="FILE", help="PEM file of the authorities to trust")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="the device's certificate, where it needs one")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key")


def _configure_enroll(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    enroll = actions.add_parser(
        "enroll",
        help="become a member of a population",
        description="Enrol a device with a one-time key of `fieldfare admin keys create`. Its key pair and its token "
        "rest in the folder; `device run` renews the token by itself.",
        epilog="Example: fieldfare device enroll --folder device --key-file key.txt",
    )
    enroll.add_argument("--folder", type=Path, required=True, metavar="FOLDER", help="what the device keeps; one each")
    enroll.add_argument(
        "--aggregator", default="127.0.0.1:8470", metavar="HOST:PORT", help="where it is (default: %(default)s)"
    )
    enroll.add_argument(
        "--key-file", type=Path, required=True, metavar="FILE", help="holds the one-time key; - for standard input"
    )
    _add_tls(enroll)
    enroll.set_defaults(run=_device.enroll)


def _configure_run(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    run = actions.add_parser(
        "run",
        help="take part in rounds",
        description="Take part in rounds until Ctrl-C (exit status 130) or SIGTERM (0); one line for each "
        "participation. With --once the exit status is 1 where the aggregator could not be reached or refused the "
        "update, and 0 also where it is not yet time or a condition does not hold.",
        epilog="Example: fieldfare device run --store examples.db --folder device --population digits",
    )
    run.add_argument("--store", type=Path, required=True, metavar="FILE", help="the example store")
    run.add_argument(
        "--collection",
        action="append",
        default=[],
        metavar="NAME",
        help="use the examples of this collection only; repeat it for several",
    )
    run.add_argument("--folder", type=Path, required=True, metavar="FOLDER", help="what the device keeps; one each")
    run.add_argument(
        "--aggregator", default="127.0.0.1:8470", metavar="HOST:PORT", help="where it is (default: %(default)s)"
    )
    run.add_argument("--population", required=True, metavar="NAME", help="the population to join")
    _add_tls(run)
    run.add_argument(
        "--publisher",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="run only plans that this public key signed; repeat it for several",
    )
    run.add_argument("--once", action="store_true", help="take part once, where it is time to, then end")
    run.add_argument("--early", action="store_true", help="with --once: before the time the aggregator has set, too")
    run.add_argument(
        "--until-idle",
        type=_duration,
        metavar="SECONDS",
        help="end once there was nothing to do for so long",
    )
    run.add_argument("--threads", type=int, default=1, metavar="N", help="threads to train with (default: 1)")
    add_limits(run)
    run.add_argument(
        "--personalise", action="store_true", help="adapt every new checkpoint to the examples, for `device predict`"
    )
    run.add_argument("--seed", type=int, metavar="N", help="makes shuffling repeat")
    add_conditions(run)
    run.set_defaults(run=_device.run)


def _configure_status(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    status = actions.add_parser(
        "status",
        help="what a device holds",
        description="Print what a store and a device's folder hold. Works while the device runs.",
        epilog="Example: fieldfare device status --store examples.db --folder device",
    )
    status.add_argument("--store", type=Path, metavar="FILE", help="the example store")
    status.add_argument("--folder", type=Path, metavar="FOLDER", help="the device's folder")
    status.set_defaults(run=_device.status)


def _configure_predict(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    predict = actions.add_parser(
        "predict",
        help="predict with the last checkpoint",
        description="Read inputs from an NPZ file and write the outputs of the last good checkpoint to another. "
        "Needs no network.",
        epilog="Example: fieldfare device predict --folder device inputs.npz outputs.npz",
    )
    predict.add_argument("--folder", type=Path, required=True, metavar="FOLDER", help="the device's folder")
    predict.add_argument("--shared", action="store_true", help="though the device has weights of its own")
    predict.add_argument("--previous", action="store_true", help="with the checkpoint before the last one")
    predict.add_argument("inputs", type=Path, metavar="INPUTS", help="NPZ: one array an input, under its name")
    predict.add_argument("outputs", type=Path, metavar="OUTPUTS", help="NPZ to write")
    predict.set_defaults(run=_device.predict)


def _duration(text: str) -> timedelta:
    return timedelta(seconds=float(text))


COMMAND = Command("Run a device: add examples, take part in rounds, read the ledger", _configure)
