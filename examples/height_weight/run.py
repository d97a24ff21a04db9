"""From gradient descent to federated averaging on weight = a + b times height, then the same over real devices.

    python examples/height_weight/run.py
    python examples/height_weight/run.py --data howell1_height_weight.csv --output runs/height_weight

The first part is arithmetic: five ways to fit a line, round after round until a target error is reached. The second
part is Fieldfare itself: the line as a Keras model, exported to a LiteRT plan, trained by 20 devices over gRPC.
"""

import argparse
import shutil
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from examples.height_weight.averaging import (
    Samples,
    centralised_step,
    distributed_sgd_round,
    federated_averaging_round,
    least_squares,
    minibatch_epoch,
    rmse,
    rounds_until,
)
from examples.height_weight.federated import train_federated
from examples.height_weight.people import HEIGHT_CENTRE_CM, HEIGHT_SCALE_CM, People, deal_out, load_people
from fieldfare.core.command import quiet_native_output

LEARNING_RATE = 0.1
DEVICES = 20


def main() -> int:
    """Run both parts; exit status 1 where the federated line misses the least-squares error by more than 1 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="CSV with the columns height_cm, weight_kg and age")
    parser.add_argument("--output", type=Path, help="keep the devices' and the aggregator's files here")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    people = load_people(options.data)
    print(f"data: {people.source}")
    everyone = Samples(people.x, people.weight_kg)
    best = rmse(least_squares(everyone), everyone)
    print(f"least squares: {in_words(least_squares(everyone))}, RMSE {best:.3f} kg")
    parts = deal_out(len(everyone), DEVICES, np.random.default_rng(options.seed))
    by_arithmetic(everyone, [Samples(everyone.x[part], everyone.y[part]) for part in parts], 1.005 * best, options.seed)
    return over_devices(people, parts, best, options)


def by_arithmetic(everyone: Samples, clients: list[Samples], target: float, seed: int) -> None:
    """Print what each way needs to reach the target."""
    rng = np.random.default_rng(seed)
    half = len(everyone) // 2
    two = [Samples(everyone.x[:half], everyone.y[:half]), Samples(everyone.x[half:], everyone.y[half:])]
    rate = LEARNING_RATE
    ways = {
        "centralised gradient descent": lambda line: centralised_step(line, everyone, learning_rate=rate),
        "minibatch SGD, batch 16": lambda line: minibatch_epoch(
            line, everyone, batch_size=16, learning_rate=rate / 10, rng=rng
        ),
        "distributed SGD, 2 clients": lambda line: distributed_sgd_round(line, two, learning_rate=rate),
        "federated averaging, 2 clients, 1 local step": lambda line: federated_averaging_round(
            line, two, local_steps=1, learning_rate=rate
        ),
        f"federated averaging, {len(clients)} clients, 5 local steps": lambda line: federated_averaging_round(
            line, clients, local_steps=5, learning_rate=rate
        ),
    }
    print(f"\nrounds until RMSE is at most {target:.3f} kg:")
    for name, step in ways.items():
        line, rounds = rounds_until(step, everyone, target_rmse=target, limit=1000)
        print(f"  {name:<52} {rounds:>4} rounds  RMSE {rmse(line, everyone):.3f} kg  {in_words(line)}")


def over_devices(people: People, parts: list[np.ndarray], best: float, options: argparse.Namespace) -> int:
    """Print what the real thing reaches."""
    print(f"\nthe same as a Keras model on {DEVICES} devices: LiteRT plan, gRPC aggregator, federated averaging")
    folder = options.output or Path(tempfile.mkdtemp(prefix="height_weight-"))
    try:
        with quiet_native_output():
            result = train_federated(
                people,
                parts,
                folder,
                target_rmse=1.005 * best,
                seed=options.seed,
                round_limit=timedelta(seconds=60),
            )
    finally:
        if options.output is None:
            shutil.rmtree(folder)
    everyone = Samples(people.x, people.weight_kg)
    reached = rmse(result.line, everyone)
    print(f"  {result.reason} after {result.rounds} rounds: {in_words(result.line)}, RMSE {reached:.3f} kg")
    excess = reached / best - 1
    print(f"  that is {excess:.2%} above least squares on everybody's data (at most 1 % is asked for)")
    return 0 if excess <= 0.01 else 1  # noqa: PLR2004


def in_words(line: np.ndarray) -> str:
    """The line in kg and cm."""
    slope = line[1] / HEIGHT_SCALE_CM
    intercept = line[0] - slope * HEIGHT_CENTRE_CM
    return f"weight = {slope:.3f} height {'-' if intercept < 0 else '+'} {abs(intercept):.1f}"


if __name__ == "__main__":
    sys.exit(main())
