"""Make a scenario ready to be emulated: its data, its plan and its file in one folder.

python -m examples.emulation.prepare digits runs/digits
fieldfare emulate runs/digits/scenario.toml --output runs/digits/first
"""

import argparse
import shutil
import sys
from pathlib import Path

from examples.emulation.known import FOLDER, KNOWN
from fieldfare.core.command import quiet_native_output
from fieldfare.core.errors import FieldfareError


def prepare(name: str, folder: Path) -> Path:
    """Write `data.npz`, `plan.tflite` and `scenario.toml`.

    Args:
        name: one of `KNOWN`.
        folder: made where it is absent.

    Returns:
        The scenario.

    Raises:
        FieldfareError: data that is not there or is something else, a folder that cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with quiet_native_output():
        KNOWN[name].prepare(folder)
    return Path(shutil.copy(FOLDER / name / "scenario.toml", folder))


def main(arguments: list[str] | None = None) -> int:
    """Prepare one scenario."""
    parser = argparse.ArgumentParser(
        prog="prepare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=sorted(KNOWN))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    try:
        print(prepare(options.name, options.folder))
    except FieldfareError as error:
        print(f"prepare: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
