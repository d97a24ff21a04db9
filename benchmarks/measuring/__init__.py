"""What benchmarks share: ratios and their goals, what processes cost, a peer in an environment of its own."""
