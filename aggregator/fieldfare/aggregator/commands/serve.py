"""`fieldfare serve`: run an aggregator until it is told to stop."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fieldfare.core.command import Command, Console

if TYPE_CHECKING:
    from fieldfare.aggregator.configuration import Configuration
    from fieldfare.aggregator.engine import Event

_EXAMPLE = """examples:
  fieldfare serve --state ./state
  fieldfare serve --state /var/lib/fieldfare --listen 0.0.0.0:8470 --tls-cert chain.pem --tls-key key.pem
  fieldfare serve --print-config > aggregator.toml
  fieldfare serve --config aggregator.toml --check
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Run the aggregator: devices check in, fetch plans, and report; tasks go on where they stopped.\n"
        "Ctrl-C or SIGTERM finishes the reports in progress and ends it; nothing acknowledged is lost either way.\n"
        "Every setting may stand in a TOML file; flags go before it."
    )
    parser.epilog = _EXAMPLE
    parser.add_argument("--config", type=Path, metavar="TOML", help="configuration file; --print-config shows one")
    parser.add_argument("--state", metavar="DIR", help="folder that holds everything")
    parser.add_argument("--listen", metavar="HOST:PORT", help="for devices (127.0.0.1:8470)")
    parser.add_argument("--admin-listen", metavar="HOST:PORT", help="for `fieldfare task` (127.0.0.1:8471)")
    parser.add_argument("--database", metavar="URL", help="postgresql://USER@HOST/NAME that several replicas share")
    parser.add_argument("--blobs", metavar="URL", help="s3://BUCKET/PREFIX that the same replicas share")
    parser.add_argument("--replica", metavar="NAME", help="this replica's name (the machine's)")
    parser.add_argument("--tls-cert", metavar="PEM", help="certificate chain of the device port")
    parser.add_argument("--tls-key", metavar="PEM", help="its private key")
    parser.add_argument("--tls-client-ca", metavar="PEM", help="authorities of devices' certificates; asks for one")
    parser.add_argument("--admin-tls-cert", metavar="PEM", help="certificate chain of the admin port")
    parser.add_argument("--admin-tls-key", metavar="PEM", help="its private key")
    parser.add_argument("--admin-tls-client-ca", metavar="PEM", help="authorities of administrators' certificates")
    parser.add_argument(
        "--enrollment", choices=("auto", "required", "off"), help="whether devices must be enrolled (auto)"
    )
    parser.add_argument("--max-artifact-mb", type=int, metavar="MB", help="largest plan or checkpoint (1024)")
    parser.add_argument("--keep-checkpoints", type=int, metavar="N", help="newest kept beside the first; 0: all (0)")
    parser.add_argument("--come-back-s", type=float, metavar="S", help="shortest wait told to idle devices (2)")
    parser.add_argument(
        "--metrics-listen",
        nargs="?",
        const="127.0.0.1:8472",
        metavar="HOST:PORT",
        help="serve Prometheus metrics (at %(const)s where no address is given)",
    )
    parser.add_argument("--log-format", choices=("text", "json"), help="of the log on standard error (text)")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="least level (warning)")
    parser.add_argument("--verbose", action="store_const", dest="log_level", const="info", help="--log-level info")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other setting, as in the file: --set limits.max_reports=200 --set engine.receipt_wait=2s",
    )
    parser.add_argument("--print-config", action="store_true", help="write the settings as a commented file, and end")
    parser.add_argument("--check", action="store_true", help="open and test everything once, say so, and end")
    parser.set_defaults(run=_run)


COMMAND = Command("Run the aggregator that devices report to", _configure)


def _run(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.aggregator.commands._configured import configured
    from fieldfare.aggregator.configuration import print_configuration
    from fieldfare.aggregator.preflight import preflight
    from fieldfare.core.errors import ConfigError

    configuration = configured(options)
    if options.print_config:
        console.say(print_configuration(configuration).rstrip())
        return 0
    if configuration.state is None:
        raise ConfigError('give --state DIR, or `state = "DIR"` in the --config file')
    if options.check:
        findings = preflight(configuration)
        for one in findings:
            console.say(f"{'ok' if one.passed else 'FAILED':<7} {one.subject:<9} {one.text}")
        return 0 if all(one.passed for one in findings) else 1
    return _serve(configuration, configuration.state, console)


def _serve(configuration: "Configuration", state: Path, console: Console) -> int:
    import contextlib
    import signal
    import threading

    from fieldfare.aggregator import Aggregator
    from fieldfare.aggregator.allocator import bound_allocator
    from fieldfare.aggregator.observability import logging_to

    # Safe: where it has no effect, the process only keeps more of what it once held.
    bound_allocator()
    stop = threading.Event()

    def tell(event: "Event") -> None:
        # Safe: whoever read the output has gone; the rounds go on.
        with contextlib.suppress(OSError):
            console.say(_line(event))

    shown = configuration.settings.observability
    with logging_to(console.err, shown.log_format, shown.log_level, configuration.settings.storage.replica):
        aggregator = Aggregator(
            state, configuration.listen, configuration.admin_listen, configuration.settings, on_event=tell
        )
        # Set before the ports answer, so that whoever waits for them may already say stop.
        previous = {one: signal.signal(one, lambda *_: stop.set()) for one in (signal.SIGTERM, signal.SIGINT)}
        try:
            with aggregator:
                if shown.log_level == "error" and shown.log_format == "text":
                    # At any other level, the log says so.
                    for warning in aggregator.warnings:
                        console.warn(warning)
                console.say(f"listening for devices on {aggregator.address}")
                console.say(f"listening for administration on {aggregator.admin_address}")
                if aggregator.metrics_address:
                    console.say(f"metrics at http://{aggregator.metrics_address}/metrics")
                shared = configuration.settings.storage
                console.say(f"state in {state}" if shared.database is None else f"state in {shared.database}")
                stop.wait()
                console.say("stopping: reports in progress are finished first")
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
    return 0


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
