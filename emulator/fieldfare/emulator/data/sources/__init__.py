"""Where examples come from: a reader for each kind of file or data set, each in a module of its name."""

from fieldfare.emulator.data.sources._csv import read_csv
from fieldfare.emulator.data.sources._hugging_face import HUB, is_saved, read_from_hub, read_saved
from fieldfare.emulator.data.sources._images import read_images
from fieldfare.emulator.data.sources._npz import read_npz
from fieldfare.emulator.data.sources._parquet import read_parquet
from fieldfare.emulator.data.sources._tf_data import read_tf_data, write_tf_data

__all__ = [
    "HUB",
    "is_saved",
    "read_csv",
    "read_from_hub",
    "read_images",
    "read_npz",
    "read_parquet",
    "read_saved",
    "read_tf_data",
    "write_tf_data",
]
