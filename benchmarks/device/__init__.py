"""What a device costs: `python -m benchmarks.device`."""
