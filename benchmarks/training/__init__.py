"""Speed and memory of training plans beside Keras: `python -m benchmarks.training`."""
