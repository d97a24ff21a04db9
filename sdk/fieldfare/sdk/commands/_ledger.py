"""`fieldfare device ledger`: what left the device, for people, programs and spreadsheets."""

import argparse
import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fieldfare.core.command import Console
from fieldfare.core.errors import ConfigError
from fieldfare.sdk.device import DeviceFolder
from fieldfare.sdk.ledger import FoldedEntries, Ledger, LedgerEntry, LedgerKind, LedgerQuery, LedgerSummary

_COLUMNS = (
    "first_number",
    "last_number",
    "since",
    "until",
    "kind",
    "task",
    "round",
    "messages",
    "bytes",
    "norm",
    "encoding",
    "privacy",
)


def configure_ledger(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the action `ledger`."""
    parser = actions.add_parser(
        "ledger",
        help="every message that left the device",
        description="Print every message that left the device, oldest first, with its bytes, for updates their norm, "
        "and the mechanism that hid what was computed from examples. Old check-ins, fetches and questions for receipts "
        "stand in summaries, one for neighbours of a month. Works while the device runs.",
        epilog="Example: fieldfare device ledger --folder device --since 2026-05-01 --kind update --verify",
    )
    parser.add_argument("--folder", type=Path, required=True, metavar="FOLDER", help="the device's folder")
    parser.add_argument("--since", type=_time, metavar="TIME", help="ISO 8601, such as 2026-05-01; UTC without a zone")
    parser.add_argument("--until", type=_time, metavar="TIME", help="before this time")
    parser.add_argument("--task", metavar="ID", help="messages of this task")
    parser.add_argument(
        "--kind",
        action="append",
        default=[],
        choices=[kind.value for kind in LedgerKind],
        help="messages of this kind; repeat it for several",
    )
    parser.add_argument("--totals", action="store_true", help="the totals only, by kind and by task")
    parser.add_argument(
        "--format", choices=list(_WRITERS), default="table", help="table, json or csv (default: %(default)s)"
    )
    parser.add_argument("--verify", action="store_true", help="also check that no row was changed; exit status 1 if so")
    parser.set_defaults(run=_ledger)


def _ledger(options: argparse.Namespace, console: Console) -> int:
    query = LedgerQuery(options.since, options.until, options.task, [LedgerKind(one) for one in options.kind])
    with DeviceFolder(options.folder).open_ledger(create=False) as ledger:
        broken = ledger.verify() if options.verify else None
        _WRITERS[options.format](ledger, query, options, console)
    if broken is not None:
        console.warn(f"fieldfare: the ledger was changed: row {broken} is not as it was written, or missing")
        return 1
    if options.verify and options.format == "table":
        console.say("verified: no row was changed")
    return 0


def _write_table(ledger: Ledger, query: LedgerQuery, options: argparse.Namespace, console: Console) -> None:
    if not options.totals:
        head = f"{'time (UTC)':<20}{'what':<12}{'bytes':>10}  {'norm':>10}  {'privacy':<9}{'encoding':<10}task, round"
        console.say(head)
        for one in ledger.history(query):
            for line in _lines(one, query):
                console.say(line.rstrip())
    summary = ledger.summary(query)
    for kind, total in summary.by_kind.items():
        console.say(f"total {kind.value:<26}{total.size_bytes:>10}  in {total.messages} messages")
    if options.totals:
        for task, total in summary.by_task.items():
            name = f"of task {task}" if task else "of no task"
            console.say(f"total {name:<26}{total.size_bytes:>10}  in {total.messages} messages")
        for mechanism, messages in summary.protection.items():
            console.say(f"computed from examples, privacy mechanism {mechanism}: {messages} messages")
    if not summary.is_exact:
        console.say("the totals count a summary of old rows as a whole that is in the time asked for in part only")
    console.say(f"total {'':<26}{summary.size_bytes:>10}  in {summary.messages} messages")


def _lines(one: LedgerEntry | FoldedEntries, query: LedgerQuery) -> Iterator[str]:
    if isinstance(one, FoldedEntries):
        until = f"{one.until:%Y-%m-%d %H:%M:%S}"
        for (kind, task), total in query.of_fold(one).items():
            where = f" of {task}" if task else ""
            words = f"{total.messages} messages{where} until {until}"
            yield f"{one.since:%Y-%m-%d %H:%M:%S} {kind.value:<12}{total.size_bytes:>10}  {words}"
        return
    norm = "" if one.update_norm is None else f"{one.update_norm:.4g}"
    where = f"{one.task}, {one.round_number}" if one.task else ""
    # The digest in a seal is for `verify`.
    encoding = "" if one.kind is LedgerKind.SEAL else one.encoding
    head = f"{one.time:%Y-%m-%d %H:%M:%S} {one.kind.value:<12}{one.size_bytes:>10}"
    yield f"{head}  {norm:>10}  {one.privacy:<9}{encoding:<10}{where}"


def _write_json(ledger: Ledger, query: LedgerQuery, options: argparse.Namespace, console: Console) -> None:
    """One document: `entries`, a row for each message or for each kind and task of a summary, and `totals`."""
    console.say("{")
    if not options.totals:
        console.say('"entries": [')
        before = ""
        for one in ledger.history(query):
            for row in _rows(one, query):
                console.say(before + json.dumps(row))
                before = ","
        console.say("],")
    console.say(f'"totals": {json.dumps(_totals(ledger.summary(query)))}')
    console.say("}")


def _write_csv(ledger: Ledger, query: LedgerQuery, options: argparse.Namespace, console: Console) -> None:
    if options.totals:
        raise ConfigError("csv holds the messages, not the totals: choose table or json", field="--format")
    writer = csv.DictWriter(_Lines(console), _COLUMNS, lineterminator="")
    writer.writeheader()
    for one in ledger.history(query):
        writer.writerows(_rows(one, query))


class _Lines:
    """What the csv module writes, a line at a time."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, line: str) -> int:
        self._console.say(line)
        return len(line)


_WRITERS = {"table": _write_table, "json": _write_json, "csv": _write_csv}


def _rows(one: LedgerEntry | FoldedEntries, query: LedgerQuery) -> Iterator[dict[str, Any]]:
    if isinstance(one, FoldedEntries):
        for (kind, task), total in query.of_fold(one).items():
            times = one.since.isoformat(), one.until.isoformat()
            figures = total.messages, total.size_bytes
            folded = (one.first, one.last, *times, kind.value, task, None, *figures, None, "", "")
            yield dict(zip(_COLUMNS, folded, strict=True))
        return
    time, messages = one.time.isoformat(), int(one.kind is not LedgerKind.SEAL)
    where = one.kind.value, one.task, one.round_number
    values = (one.number, one.number, time, time, *where, messages, one.size_bytes, one.update_norm)
    yield dict(zip(_COLUMNS, (*values, one.encoding, one.privacy), strict=True))


def _totals(summary: LedgerSummary) -> dict[str, Any]:
    return {
        "messages": summary.messages,
        "bytes": summary.size_bytes,
        "first": None if summary.first is None else summary.first.isoformat(),
        "last": None if summary.last is None else summary.last.isoformat(),
        "exact": summary.is_exact,
        "by_kind": {
            kind.value: {"messages": one.messages, "bytes": one.size_bytes} for kind, one in summary.by_kind.items()
        },
        "by_task": {task: {"messages": one.messages, "bytes": one.size_bytes} for task, one in summary.by_task.items()},
        "privacy": summary.protection,
    }


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time of ISO 8601, such as 2026-05-01T12:00") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
