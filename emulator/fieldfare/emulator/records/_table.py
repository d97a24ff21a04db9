"""`devices.csv` read again, a piece at a time: into Parquet, and into what the report shows."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import StorageError
from fieldfare.core.files import HALF_WRITTEN
from fieldfare.emulator.records._device_rows import FIXED_COLUMNS
from fieldfare.emulator.records._fleet_record import FleetRecord

_TYPES = ("int32", "string", "int32", *("float64",) * 4, "string", "string", *("int64",) * 3, "float64")
_PIECE_BYTES = 2**22
_HOUR_S = 3_600
# Words of a device may differ from one to the next; so many kinds of them are told apart.
_MOST_REASONS = 1000


def record_fleet(source: Path, target: Path, *, devices: int, metric: str, metrics: Sequence[str]) -> FleetRecord:
    """Write the lines as Parquet, and sum them up on the way.

    Args:
        source: a `devices.csv`.
        target: the Parquet file; there whole or not at all.
        devices: how many the fleet has.
        metric: whose latest value is kept for each device.
        metrics: names of all metrics, in the order of their columns.

    Raises:
        StorageError: the source cannot be read, or the target not be written.
    """
    from pyarrow import parquet

    record, part = FleetRecord.of(devices), target.with_name(target.name + HALF_WRITTEN)
    try:
        with parquet.ParquetWriter(part, _schema(metrics)) as writer:
            for piece in read_rows(source, metrics):
                writer.write_batch(piece)
                _add(record, piece, f"metric_{metric}")
        part.replace(target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return record


def read_rows(source: Path, metrics: Sequence[str]) -> Iterator[Any]:
    """The lines as Arrow record batches of bounded size.

    Raises:
        StorageError: the file cannot be read.
    """
    import pyarrow as pa
    from pyarrow import csv

    schema = _schema(metrics)
    types = csv.ConvertOptions(column_types=schema, strings_can_be_null=False)
    try:
        with csv.open_csv(source, csv.ReadOptions(block_size=_PIECE_BYTES), None, types) as reader:
            yield from reader
    except (OSError, pa.ArrowInvalid) as error:
        raise StorageError(f"cannot read {source}: {error}") from error


def _schema(metrics: Sequence[str]) -> Any:
    import pyarrow as pa

    fixed = [(name, pa.type_for_alias(kind)) for name, kind in zip(FIXED_COLUMNS, _TYPES, strict=True)]
    return pa.schema([*fixed, *((f"metric_{name}", pa.float64()) for name in metrics)])


def _add(record: FleetRecord, piece: Any, metric: str) -> None:
    def column(name: str) -> NDArray[Any]:
        values: NDArray[Any] = piece.column(name).to_numpy(zero_copy_only=False)
        return values

    device, ended, training = column("device"), column("ended"), column("kind") == "training"
    counted = ended == "counted"
    np.add.at(record.asked, device, 1)
    np.add.at(record.trained, device[training & counted], 1)
    _add_ends(record, column("kind"), ended, column("why"), counted)
    compute, transfer = column("compute_s"), column("transfer_s")
    finished = np.isin(ended, ("counted", "late", "refused"))
    for histogram, values in (
        (record.seconds, column("seconds")),
        (record.compute_s, compute),
        (record.transfer_s, transfer),
    ):
        histogram.add(values[finished])
    record.compute_total_s += float(compute.sum())
    record.transfer_total_s += float(transfer.sum())
    hours = (column("began_s") // _HOUR_S).astype(np.int64)
    np.add.at(record.hours, (hours // 24 % 7, hours % 24), 1)
    rounds, energy = column("round"), column("energy_j")
    for number in np.unique(rounds):
        joules = float(energy[rounds == number].sum())
        record.joules[int(number)] = record.joules.get(int(number), 0.0) + joules
    if metric in piece.schema.names:
        _add_latest(record, device, rounds, column(metric), ~training & counted)


def _add_ends(
    record: FleetRecord, kind: NDArray[Any], ended: NDArray[Any], why: NDArray[Any], counted: NDArray[np.bool_]
) -> None:
    record.ends.update(zip(kind.tolist(), ended.tolist(), strict=True))
    for pair in zip(ended[~counted].tolist(), why[~counted].tolist(), strict=True):
        if pair in record.reasons or len(record.reasons) < _MOST_REASONS:
            record.reasons[pair] += 1
        else:
            record.reasons[(pair[0], "for another reason")] += 1


def _add_latest(
    record: FleetRecord, device: NDArray[Any], rounds: NDArray[Any], values: NDArray[Any], measured: NDArray[np.bool_]
) -> None:
    # Lines stand in the order in which parts ended, so a later round's line comes later.
    usable = measured & ~np.isnan(values)
    record.latest[device[usable]] = values[usable]
    record.measured_in[device[usable]] = rounds[usable]
