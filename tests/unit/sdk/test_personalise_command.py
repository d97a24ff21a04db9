"""`fieldfare device personalise`, and the limits of training, run as a user runs them."""

import numpy as np
import pytest

from fieldfare.core.weights import pack_weights
from tests.support.scripted_aggregator import ScriptedAggregator
from tests.unit.sdk.test_commands import CHECKPOINT, MANIFEST, Shop, shop  # noqa: F401 - a fixture


@pytest.fixture
def ready(shop: Shop) -> Shop:  # noqa: F811
    """After one round with a model of zeros; the examples have y = 10 a."""
    shop.add()
    with ScriptedAggregator() as aggregator:
        aggregator.offer(shop.plan.read_bytes(), CHECKPOINT)
        shop.run(aggregator, "--once")
    np.savez(shop.folder / "in.npz", x=np.ones((1, 2), np.float32))
    return shop


def personalise(shop: Shop, *more: object) -> tuple[int, str, str]:  # noqa: F811
    return shop("device", "personalise", "--folder", shop.device, *more)


def predicted(shop: Shop, *more: object) -> list[list[float]]:  # noqa: F811
    arguments = (*more, shop.folder / "in.npz", shop.folder / "out.npz")
    assert shop("device", "predict", "--folder", shop.device, *arguments)[0] == 0
    values: list[list[float]] = np.load(shop.folder / "out.npz")["dense"].tolist()
    return values


def test_adapt_look_predict_and_forget(ready: Shop) -> None:
    given = ("--store", ready.store, "--tensors", "*/bias", "--epochs", "3", "--learning-rate", "0.1", "--seed", "1")
    status, out, err = personalise(ready, *given)
    assert (status, err) == (0, "")
    first, second = out.splitlines()
    assert first == "adapted dense/bias on 17 examples"
    assert second.startswith("kept, over version 2 of task task-1: loss ")
    assert second in ready("device", "status", "--folder", ready.device)[1]
    assert predicted(ready) != [[0.0]]
    assert predicted(ready, "--shared") == [[0.0]]
    assert personalise(ready, "--forget")[:2] == (0, "the device predicts with the shared weights\n")
    assert predicted(ready) == [[0.0]]
    assert "own  " not in ready("device", "status", "--folder", ready.device)[1]


def test_one_collection_alone(ready: Shop) -> None:
    status, out, _ = personalise(ready, "--store", ready.store, "--collection", "absent")
    assert (status, "0 examples, and 1 are needed" in out) == (0, True)


def test_what_is_no_better_is_not_kept(ready: Shop) -> None:
    # A rate so small that the weights stay what they are.
    status, out, _ = personalise(ready, "--store", ready.store, "--learning-rate", "1e-30")
    assert status == 0
    assert "not kept, over version 2" in out
    assert "kept, over" in personalise(ready, "--store", ready.store, "--learning-rate", "1e-30", "--always")[1]


@pytest.mark.parametrize(
    ("arguments", "exit_status", "words"),
    [
        ([], 2, "--store: is needed"),
        (["--store", "absent"], 1, "absent"),
        (["--tensors", "head"], 2, "names none of the plan's weights"),
        (["--epochs", "0"], 2, "personal.local.epochs"),
        (["--metric", "f1"], 2, "personal.metric"),
        (["--max-memory", "1"], 1, "1,000,000 are allowed"),
        (["--max-memory", "-1"], 2, "limits.memory_bytes"),
        (["--max-train-time", "0"], 2, "limits.time"),
        (["--max-train-examples", "0"], 2, "limits.examples"),
    ],
)
def test_bad_arguments(ready: Shop, arguments: list[str], exit_status: int, words: str) -> None:
    store = [] if not arguments or "--store" in arguments else ["--store", ready.store]
    status, _, err = personalise(ready, *store, *arguments)
    assert (status, words in err) == (exit_status, True), err
    assert not (ready.device / "personal").exists()


def test_run_personalises_and_keeps_to_limits(shop: Shop) -> None:  # noqa: F811
    shop.add()
    np.savez(shop.folder / "in.npz", x=np.ones((1, 2), np.float32))
    with ScriptedAggregator() as aggregator:
        # So far off that any step is better, whichever examples are held out.
        aggregator.offer(shop.plan.read_bytes(), pack_weights(MANIFEST.weight_specs, np.float32([0, 0, 100])))
        assert shop.run(aggregator, "--once", "--personalise", "--max-train-examples", "5")[0] == 0
        assert aggregator.reports[0].header.example_count == 5
        assert aggregator.check_ins[0].capabilities.memory_bytes > 10**8
        aggregator.offer(shop.plan.read_bytes(), CHECKPOINT)
        _, out, _ = shop.run(aggregator, "--once", "--max-memory", "2")
        assert "and 2,000,000 are allowed" in out
    assert predicted(shop) != predicted(shop, "--shared") == [[100.0]]
