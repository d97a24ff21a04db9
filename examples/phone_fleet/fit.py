"""Fit the emulator's profile "phones" to measurements, and print its numbers.

    python -m examples.phone_fleet.fit

reads `ai_benchmark_phones.csv`, `flash_layer_train_times.npz`, `network_mahimahi_1s_mbps.json.gz` and
`extrasensory_phone_state.csv.gz` from the folder in `FIELDFARE_DATA`, or from `../shared/data`. What it prints stands
in `fieldfare.emulator.devices.profiles`; docs/fleet_behaviour.md says what it means.
"""

import argparse
import os
import sys
from pathlib import Path

from examples.phone_fleet import extrasensory, fit_cellular, fit_circadian, fit_models
from fieldfare.core.errors import FieldfareError
from fieldfare.emulator.devices.profiles import PHONE_DAYS


def main() -> int:
    """Fit and print."""
    parser = argparse.ArgumentParser(description='Fit the profile "phones" to measurements.')
    default = Path(os.environ.get("FIELDFARE_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, metavar="DIR", default=default, help="folder of the files (%(default)s)")
    folder = parser.parse_args().data
    try:
        fitted = {
            "MODELS": fit_models.fit_phone_models(folder / fit_models.FILE_NAME),
            "CELLULAR": fit_cellular.fit_cellular(folder / fit_cellular.FILE_NAME),
            "CIRCADIAN": fit_circadian.fit_circadian(folder / extrasensory.FILE_NAME),
        }
        compared = fit_circadian.compare(folder / extrasensory.FILE_NAME, PHONE_DAYS)
        checked = fit_models.training_ratios(folder / fit_models.FILE_NAME, folder / fit_models.TIMES_NAME)
    except FieldfareError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, value in fitted.items():
        print(f"{name} = {value}")
    print("\nHow many times faster a Galaxy Note10 is than a Redmi Note 8:")
    for name, ratio in checked.items():
        print(f"  {name:<45} {ratio:.2f}")
    print("\nWindows that begin in a day, recorded and drawn:")
    for name, (recorded, drawn) in zip(("charging", "Wi-Fi", "idle"), compared.windows.T, strict=True):
        print(f"  {name:<10} {recorded:5.1f} {drawn:5.1f}")
    print("\nPhones that charge, are on Wi-Fi and idle, in percent, by hour, recorded and drawn:")
    for shares in compared.together:
        print("  " + " ".join(f"{100 * one:2.0f}" for one in shares))
    return 0


if __name__ == "__main__":
    sys.exit(main())
