"""The log of a real run: every line has its ids, and none has a secret."""

import base64
import io
import json
import logging
from pathlib import Path

import numpy as np

from fieldfare.aggregator import AdminClient
from fieldfare.aggregator.observability import logging_to
from fieldfare.aggregator.storage import open_sqlite
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec
from tests.integration.aggregator.fleet import ACCEPTED, INVALID, Device, connect, send_damaged, update_of
from tests.integration.aggregator.operations.serving import serving
from tests.unit.aggregator.world import PLAN

SPEC = TaskSpec(
    "first",
    "p",
    rounds=1,
    training=CohortSpec(2, 2, 2.0),
    evaluate_every=0,
    aggregation=AggregationSpec(min_snapshot_updates=2),
)


def forms(secret: bytes) -> list[str]:
    """How bytes look in a log, if somebody writes them."""
    plain = base64.b64encode(secret).decode()
    return [secret.hex(), plain.rstrip("="), plain.replace("+", "-").replace("/", "_").rstrip("="), repr(secret)[2:-1]]


def test_a_real_run_as_json(tmp_path: Path) -> None:
    secrets: list[str] = []
    with serving(tmp_path, "--log-format", "json", "--log-level", "debug") as server:
        with AdminClient(server.admin_address) as admin:
            task = admin.submit(PLAN, SPEC, weights=np.array([0.12345678, 2, 3], np.float32)).task_id
        devices = [Device(index, connect(server.address)) for index in range(3)]
        for device in devices:
            assert device.check_in() is not None
            secrets += forms(device.id) + forms(device.assignment.ticket)  # type: ignore[union-attr]
        bad = devices[2]
        assert send_damaged(bad).status == INVALID
        devices[0].report()
        assert devices[1].report_until_settled().status == ACCEPTED
        server.process.terminate()
        assert server.process.wait(20) == 0
    text = (tmp_path / "log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    database = open_sqlite(tmp_path / "state" / "fieldfare.db")
    secrets += forms(database.ticket_key())
    database.close()
    for device in devices:
        vector, _ = update_of(device.id, 1)
        secrets += [f"{value:.5f}" for value in vector] + forms(vector.tobytes())
    assert not [one for one in secrets if one in text]
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(line) for line in lines))
    refused = next(line for line in lines if "refused" in line["message"])
    assert (refused["task"], refused["round"], refused["level"]) == (task, "1", "info")
    ended = next(line for line in lines if line["message"] == "call ended" and line["call"] == refused["call"])
    assert (ended["method"], ended["code"], ended["device"]) == ("Report", "OK", refused["device"])
    check_ins = [line for line in lines if line.get("method") == "CheckIn"]
    assert len({line["device"] for line in check_ins}) == len(devices)
    assert refused["device"] in {line["device"] for line in check_ins}
    committed = next(line for line in lines if line["message"] == "committed")
    assert (committed["task"], committed["round"]) == (task, "1")
    assert not {"call", "method", "device"} & set(committed)  # it is the round's own work, in nobody's service


def test_a_device_has_the_same_hash_after_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        with serving(tmp_path, "--log-format", "json", "--log-level", "debug") as server:
            Device(0, connect(server.address)).check_in()
            server.process.terminate()
            server.process.wait(20)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    hashes = [line["device"] for line in lines if line.get("method") == "CheckIn"]
    assert len(hashes) == 2
    assert len(set(hashes)) == 1


def test_text_keeps_to_one_line() -> None:
    stream = io.StringIO()
    with logging_to(stream, "text", "info"):
        log = logging.getLogger("fieldfare.aggregator")
        log.info("task=%s it said: %s", "4f", "one\ntwo\x1b[31m\u2028three")
        log.debug("not this")
    logging.getLogger("fieldfare.aggregator").error("nobody listens any more")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(r"INFO    task=4f it said: one\ntwo\x1b[31m\u2028three")


def test_json_fields_cannot_be_forged() -> None:
    stream = io.StringIO()
    with logging_to(stream, "json", "warning"):
        log = logging.getLogger("fieldfare.aggregator")
        log.warning("level=debug task=%s hello=1 there", "4f")
        try:
            int("broken")
        except ValueError:
            log.exception("a stack follows")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["level"], first["task"], first["hello"], first["message"]) == ("warning", "4f", "1", "there")
    assert second["stack"].endswith("ValueError: invalid literal for int() with base 10: 'broken'")
