"""Where an emulated aggregator keeps plans and checkpoints."""

from pathlib import Path


def artifacts_folder(state: Path) -> Path:
    """The folder in which they lie, under the hexadecimal digest of their content.

    Args:
        state: folder of the aggregator's state.
    """
    return state / "blobs" / "artifacts"
