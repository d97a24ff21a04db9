"""One client of Flower's deprecated gRPC path; runs in Flower's virtual environment.

python -m benchmarks.aggregator.peer.flower_client ADDRESS INDEX SIZE
"""

import sys

from flwr.client import NumPyClient, start_client

from benchmarks.aggregator.peer.updates import update_of


class RandomUpdate(NumPyClient):
    """Computes nothing."""

    def __init__(self, index: int, size: int) -> None:
        self._update = update_of(index, size)

    def fit(self, _parameters, _config):
        return [self._update], 1, {}


def main() -> None:
    address, index, size = sys.argv[1:]
    start_client(server_address=address, client=RandomUpdate(int(index), int(size)).to_client(), insecure=True)


if __name__ == "__main__":
    main()
