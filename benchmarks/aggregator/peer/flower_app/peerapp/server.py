"""FedAvg over the message API."""

from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from benchmarks.aggregator.peer.updates import mean_update

app = ServerApp()


class Checked(FedAvg):
    """FedAvg that writes a line for each round: how far the mean is from what it should be."""

    def __init__(self, progress: Path, expected, **options) -> None:
        super().__init__(**options)
        self._progress, self._expected = progress, expected

    def aggregate_train(self, server_round, replies):
        replies = list(replies)
        arrays, metrics = super().aggregate_train(server_round, replies)
        error = float("inf")
        if arrays is not None and len(replies) == self.min_train_nodes:
            error = float(np.abs(arrays.to_numpy_ndarrays()[0] - self._expected).max())
        with self._progress.open("a") as file:
            file.write(f"{error}\n")
        return arrays, metrics


@app.main()
def main(grid: Grid, context: Context) -> None:
    options = context.run_config
    clients, size = int(options["clients"]), int(options["size"])
    strategy = Checked(
        Path(options["progress"]),
        mean_update(clients, size),
        fraction_evaluate=0.0,
        min_train_nodes=clients,
        min_available_nodes=clients,
    )
    initial = ArrayRecord(numpy_ndarrays=[np.zeros(size, np.float32)])
    strategy.start(grid=grid, initial_arrays=initial, num_rounds=int(options["rounds"]), timeout=3600)
