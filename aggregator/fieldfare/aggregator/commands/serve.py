"""`fieldfare serve`: run an aggregator until it is told to stop."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fieldfare.core.command import Command, Console

if TYPE_CHECKING:
    from fieldfare.aggregator import ServerSettings
    from fieldfare.aggregator.engine import Event

_EXAMPLE = """examples:
  fieldfare serve --state ./state
  fieldfare serve --state /var/lib/fieldfare --listen 0.0.0.0:8470 --tls-cert chain.pem --tls-key key.pem
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Run the aggregator: devices check in, fetch plans, and report; tasks go on where they stopped.\n"
        "Ctrl-C or SIGTERM finishes the reports in progress and ends it; nothing acknowledged is lost either way."
    )
    parser.epilog = _EXAMPLE
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="folder that holds everything")
    parser.add_argument("--listen", default="127.0.0.1:8470", metavar="HOST:PORT", help="for devices (%(default)s)")
    parser.add_argument(
        "--admin-listen", default="127.0.0.1:8471", metavar="HOST:PORT", help="for `fieldfare task` (%(default)s)"
    )
    parser.add_argument("--tls-cert", type=Path, metavar="PEM", help="certificate chain of the device port")
    parser.add_argument("--tls-key", type=Path, metavar="PEM", help="its private key")
    parser.add_argument(
        "--max-artifact-mb", type=int, default=1024, metavar="MB", help="largest plan or checkpoint (%(default)s)"
    )
    parser.add_argument(
        "--keep-checkpoints", type=int, default=0, metavar="N", help="newest versions kept beside the first; 0: all"
    )
    parser.add_argument(
        "--come-back-s", type=float, default=2.0, metavar="S", help="shortest wait told to idle devices (%(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="open everything once, say so, and end")
    parser.add_argument("--verbose", action="store_true", help="log to standard error")
    parser.set_defaults(run=_run)


COMMAND = Command("Run the aggregator that devices report to", _configure)


def _run(options: argparse.Namespace, console: Console) -> int:
    import contextlib
    import logging
    import signal
    import threading

    from fieldfare.aggregator import Aggregator

    if options.verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = threading.Event()

    def tell(event: "Event") -> None:
        # Safe: whoever read the output has gone; the rounds go on.
        with contextlib.suppress(OSError):
            console.say(_line(event))

    aggregator = Aggregator(
        options.state,
        options.listen,
        options.admin_listen,
        _settings(options),
        on_event=tell,
    )
    # Set before the ports answer, so that whoever waits for them may already say stop.
    previous = {one: signal.signal(one, lambda *_: stop.set()) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        with aggregator:
            console.say(f"listening for devices on {aggregator.address}")
            console.say(f"listening for administration on {aggregator.admin_address}")
            console.say(f"state in {options.state}")
            if options.check:
                console.say("everything can be opened")
                return 0
            stop.wait()
            console.say("stopping")
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def _settings(options: argparse.Namespace) -> "ServerSettings":
    from datetime import timedelta

    from fieldfare.aggregator import ServerSettings
    from fieldfare.aggregator.settings import EngineSettings, LimitSettings, SecuritySettings
    from fieldfare.core.errors import ConfigError
    from fieldfare.core.rounds import PaceSettings

    if not 0 < options.come_back_s <= 3600:  # noqa: PLR2004
        raise ConfigError("must be a number of seconds, above 0 and at most 3600", field="--come-back-s")
    return ServerSettings(
        pace=PaceSettings(shortest=timedelta(seconds=options.come_back_s)),
        limits=LimitSettings(max_artifact_bytes=options.max_artifact_mb * 2**20),
        engine=EngineSettings(keep_checkpoints=options.keep_checkpoints),
        security=SecuritySettings(options.tls_cert, options.tls_key),
    )


def _line(event: "Event") -> str:
    from fieldfare.aggregator.commands._text import metrics_text, size_text
    from fieldfare.aggregator.engine import round_status

    if event.round is None:
        return f"{event.task_name}: {event.kind.value}" + (f" ({event.reason})" if event.reason else "")
    status = round_status(event.round)
    line = f"{event.task_name}: round {status.number} {event.kind.value}"
    if event.reason:
        return f"{line}: {event.reason}"
    counts = f"{status.reported} of {status.assigned} devices, {status.examples} examples"
    traffic = f"up {size_text(status.bytes_up)}, down {size_text(status.bytes_down)}"
    return f"{line}: {counts}, {metrics_text(status.metrics) or 'no metrics'}, {traffic}"
