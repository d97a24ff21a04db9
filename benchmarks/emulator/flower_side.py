"""Flower's simulation of the same; runs in Flower's virtual environment.

python -m benchmarks.emulator.flower_side null|mlp CLIENTS POPULATION ROUNDS WEIGHTS PROGRESS

As https://flower.ai's pages on simulations and on Keras have it: a ClientApp and a ServerApp of the message API, one
processor for each client.
"""

import sys
import time
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

from benchmarks.emulator.models import BATCH, EXAMPLES, images, mlp


class Noted(FedAvg):
    """FedAvg that notes when each round ended."""

    def __init__(self, progress: Path, clients: int, **options) -> None:
        super().__init__(**options)
        self._progress, self._clients = progress, clients

    def aggregate_train(self, server_round, replies):
        replies = list(replies)
        found = super().aggregate_train(server_round, replies)
        if len([one for one in replies if not one.has_error()]) != self._clients:
            sys.exit(f"round {server_round}: not all clients have answered")
        with self._progress.open("a") as file:
            file.write(f"{time.perf_counter()}\n")
        return found


def null_client() -> ClientApp:
    app = ClientApp()

    @app.train()
    def train(message: Message, _: Context) -> Message:
        metrics = MetricRecord({"num-examples": 1})
        return Message(RecordDict({"arrays": message.content["arrays"], "metrics": metrics}), reply_to=message)

    return app


def keras_client() -> ClientApp:
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        import keras

        keras.backend.clear_session()
        model = mlp()
        model.set_weights(message.content["arrays"].to_numpy_ndarrays())
        first = int(context.node_config["partition-id"]) * EXAMPLES
        x, y = np.load(_DATA["x"], mmap_mode="r"), np.load(_DATA["y"], mmap_mode="r")
        mine = slice(first, first + EXAMPLES)
        model.fit(np.asarray(x[mine]), np.asarray(y[mine]), batch_size=BATCH, epochs=1, verbose=0)
        metrics = MetricRecord({"num-examples": EXAMPLES})
        content = RecordDict({"arrays": ArrayRecord(model.get_weights()), "metrics": metrics})
        return Message(content, reply_to=message)

    return app


def server(progress: Path, clients: int, population: int, rounds: int, initial: list[np.ndarray]) -> ServerApp:
    app = ServerApp()

    @app.main()
    def main(grid: Grid, _: Context) -> None:
        strategy = Noted(
            progress,
            clients,
            fraction_train=clients / population,
            fraction_evaluate=0.0,
            min_train_nodes=clients,
            min_available_nodes=population,
        )
        strategy.start(grid=grid, initial_arrays=ArrayRecord(initial), num_rounds=rounds, timeout=3600)

    return app


_DATA: dict[str, str] = {}


def main() -> None:
    kind, clients, population, rounds, weights, progress = sys.argv[1:]
    folder = Path(progress).parent
    if kind == "mlp":
        initial = mlp().get_weights()
        for name, array in zip(("x", "y"), images(), strict=True):
            np.save(folder / f"{name}.npy", array)
            _DATA[name] = str(folder / f"{name}.npy")
        client = keras_client()
    else:
        initial, client = [np.zeros(int(weights), np.float32)], null_client()
    run_simulation(
        server_app=server(Path(progress), int(clients), int(population), int(rounds), initial),
        client_app=client,
        num_supernodes=int(population),
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
    )


if __name__ == "__main__":
    main()
