"""Flower's deprecated gRPC server; runs in Flower's virtual environment.

python -m benchmarks.aggregator.peer.flower_server ADDRESS CLIENTS SIZE ROUNDS PROGRESS
"""

import sys
from pathlib import Path

import flwr
import numpy as np
from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server import ServerConfig
from flwr.server.strategy import FedAvg

from benchmarks.aggregator.peer.updates import mean_update


class Checked(FedAvg):
    """FedAvg that writes a line to PROGRESS for each round: how far the mean is from what it should be."""

    def __init__(self, progress: Path, expected, **options) -> None:
        super().__init__(**options)
        self._progress, self._expected = progress, expected

    def aggregate_fit(self, server_round, results, failures):
        parameters, metrics = super().aggregate_fit(server_round, results, failures)
        complete = parameters is not None and not failures and len(results) == self.min_fit_clients
        error = float("inf")
        if complete:
            error = float(np.abs(parameters_to_ndarrays(parameters)[0] - self._expected).max())
        with self._progress.open("a") as file:
            file.write(f"{error}\n")
        return parameters, metrics


def main() -> None:
    address, clients, size, rounds, progress = sys.argv[1:]
    count = int(clients)
    strategy = Checked(
        Path(progress),
        mean_update(count, int(size)),
        fraction_evaluate=0.0,
        min_fit_clients=count,
        min_available_clients=count,
        initial_parameters=ndarrays_to_parameters([np.zeros(int(size), np.float32)]),
    )
    flwr.server.start_server(server_address=address, config=ServerConfig(num_rounds=int(rounds)), strategy=strategy)


if __name__ == "__main__":
    main()
