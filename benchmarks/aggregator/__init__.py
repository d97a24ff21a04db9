"""The aggregator's speed and memory, against bare floors and against a peer: docs/aggregator_speed.md."""
