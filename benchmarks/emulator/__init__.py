"""Speed and memory of emulations; see `python -m benchmarks.emulator --help`."""
