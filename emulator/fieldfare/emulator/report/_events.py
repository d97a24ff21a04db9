"""The rounds as TensorBoard reads them."""

import io
import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from fieldfare.core.errors import StorageError
from fieldfare.core.files import write_atomically
from fieldfare.emulator.report._rounds import RoundRow

_FILE = "events.out.tfevents.0000000000.fieldfare"


def write_events(folder: Path, rows: Sequence[RoundRow], began: datetime) -> None:
    """Write one file of scalars; the step is the round, the time is the fleet's.

    Its records and messages are those of the package `tensorboard`; its own writer of files would import TensorFlow.

    Args:
        folder: made where it is absent; what is in it is what `tensorboard --logdir` takes.
        rows: the rounds.
        began: when the first round began; timezone-aware.

    Raises:
        StorageError: it cannot be written.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    out = io.BytesIO()
    writer = RecordWriter(out)
    writer.write(Event(wall_time=began.timestamp(), file_version="brain.Event:2").SerializeToString())
    for row in rows:
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in _scalars(row)]
        at = (began + timedelta(seconds=row.ended_s)).timestamp()
        event = Event(wall_time=at, step=row.version, summary=Summary(value=values))
        writer.write(event.SerializeToString())
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make {folder}: {error.strerror or error}") from error
    write_atomically(folder / _FILE, out.getvalue())


def _scalars(row: RoundRow) -> Iterator[tuple[str, float]]:
    if math.isfinite(row.train_loss):
        yield "training/loss", row.train_loss
    for name, value in sorted(row.held_out.items()):
        yield f"held_out/{name}", value
    yield "cost/bytes_up", float(row.bytes_up)
    yield "cost/bytes_down", float(row.bytes_down)
    yield "cost/seconds", row.seconds
    yield "cost/fleet_time_s", row.ended_s
    if row.energy_j:
        yield "cost/energy_j", row.energy_j
    yield "devices/counted", float(row.devices_in)
    yield "devices/not_counted", float(row.devices_out)
