"""What every `LocalTrainer` must do, as functions that a test runs over one.

    @pytest.mark.parametrize("rule", TRAINER_CONTRACT, ids=lambda rule: rule.__name__)
    def test_my_trainer(rule):
        rule(Subject(MyTrainer, Path("plan.tflite"), examples))

A rule that is broken raises `AssertionError` with what was expected. The rules hold for any plan whose training gives
the same result for the same numbers; those about gradients say nothing of a plan without that signature.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import PlanError, StateError, WeightsError
from fieldfare.core.local_steps import ControlVariates
from fieldfare.core.metrics import add_metrics
from fieldfare.core.plans import Examples, Manifest, PlanRuntime, count_rows, read_manifest, take_rows
from fieldfare.core.tasks import DEVICE_ALGORITHMS, Algorithm, LocalTrainingSpec
from fieldfare.core.weights import sha256, total_size
from fieldfare.sdk.training._release import Unloadable
from fieldfare.sdk.training._trainer import Interrupted, LocalTrainer, Trained

__all__ = ["TRAINER_CONTRACT", "Subject"]

_Vector = NDArray[np.float32]
_WITH_GRADIENTS = (Algorithm.DSGD, Algorithm.FEDPROX, Algorithm.SCAFFOLD)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is put through the contract.

    Attributes:
        make: makes a trainer that has loaded nothing.
        plan: a plan that it can run.
        examples: checked examples of the plan, at least two more than its batch holds.
        learning_rate: with which a few steps on them go well.
    """

    make: Callable[[], LocalTrainer]
    plan: Path
    examples: Examples
    learning_rate: float = 0.01

    @property
    def manifest(self) -> Manifest:
        """Of the plan."""
        return read_manifest(self.plan)

    @property
    def rows(self) -> int:
        """How many examples there are."""
        return count_rows(self.examples)

    @property
    def batch(self) -> Examples:
        """As many of the examples as make one full step."""
        return take_rows(self.examples, slice(0, self.manifest.batch_size))

    def loaded(self) -> LocalTrainer:
        """A trainer with the plan."""
        trainer = self.make()
        trainer.load(self.plan, sha256(self.plan.read_bytes()).hex())
        return trainer

    def start(self) -> _Vector:
        """The plan's initial weights."""
        return PlanRuntime(self.plan).get_weights()

    def local(self, **changes: Any) -> LocalTrainingSpec:
        """One pass in the order of the examples."""
        return replace(LocalTrainingSpec(learning_rate=self.learning_rate, shuffle=False), **changes)

    def train(self, trainer: LocalTrainer, examples: Examples | None = None, **changes: Any) -> Trained:
        """Train as `local()` says; `changes` replace arguments, those of `local` under its name."""
        arguments: dict[str, Any] = {
            "local": self.local(**changes.pop("local", {})),
            "algorithm": Algorithm.FEDAVG,
            "rng": np.random.default_rng(changes.pop("seed", 0)),
            "interrupt": lambda: "",
        }
        checkpoint = changes.pop("checkpoint", None)
        checkpoint = self.start() if checkpoint is None else checkpoint
        return trainer.train(checkpoint, self.examples if examples is None else examples, **(arguments | changes))


def load_gives_the_manifest(subject: Subject) -> None:
    """Also where the plan is loaded already; what is no plan is refused."""
    trainer, digest = subject.make(), sha256(subject.plan.read_bytes()).hex()
    for _ in range(2):
        _hold(trainer.load(subject.plan, digest) == subject.manifest, "load must give the plan's manifest")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "plan")
        path.write_bytes(b"no plan")
        _raises(PlanError, lambda: subject.make().load(path, "none"), "a file that is no plan")


def nothing_runs_before_a_plan_is_loaded(subject: Subject) -> None:
    """`StateError`, since it is a mistake of the program."""
    none = subject.make()
    _raises(StateError, lambda: subject.train(none), "training without a plan")
    weights = subject.start()
    _raises(
        StateError, lambda: none.evaluate(weights, subject.examples, interrupt=lambda: ""), "evaluation without a plan"
    )


def weights_of_another_length_are_refused(subject: Subject) -> None:
    """`WeightsError`, before anything is trained."""
    trainer, weights = subject.loaded(), np.zeros(total_size(subject.manifest.weight_specs) + 1, np.float32)
    _raises(WeightsError, lambda: subject.train(trainer, checkpoint=weights), "a checkpoint that is too long")
    _raises(
        WeightsError,
        lambda: trainer.evaluate(weights, subject.examples, interrupt=lambda: ""),
        "evaluation of weights that are too long",
    )


def the_update_is_new_weights_minus_old(subject: Subject) -> None:
    """One finite float32 vector; neither checkpoint nor examples are changed."""
    checkpoint = subject.start()
    before = {name: array.copy() for name, array in subject.examples.items()}
    kept = checkpoint.copy()
    done = subject.train(subject.loaded(), checkpoint=checkpoint)
    _hold(done.vector.shape == checkpoint.shape, f"the update must have the shape {checkpoint.shape}")
    _hold(done.vector.dtype == np.float32, f"the update must be float32, not {done.vector.dtype}")
    _hold(bool(np.isfinite(done.vector).all() and np.any(done.vector)), "the update must be finite, and not zero")
    _hold(np.array_equal(checkpoint, kept), "training must not change the checkpoint")
    same = all(np.array_equal(subject.examples[name], array) for name, array in before.items())
    _hold(same, "training must not change the examples")


def nothing_is_left_of_earlier_work(subject: Subject) -> None:
    """The same arguments give the same bits, whatever was trained or evaluated before: no momentum survives a round."""
    trainer, start = subject.loaded(), subject.start()
    first = subject.train(trainer, seed=3, local={"shuffle": True, "epochs": 2})
    trainer.evaluate(start + first.vector, subject.examples, interrupt=lambda: "")
    for again in (trainer, subject.loaded()):
        done = subject.train(again, seed=3, local={"shuffle": True, "epochs": 2})
        _hold(np.array_equal(done.vector, first.vector), "the same arguments must give the same bits")
        _hold(done.loss == first.loss, "the same arguments must give the same loss")


def steps_are_counted(subject: Subject) -> None:
    """`epochs`, `max_steps` and `batch_size` are kept to; `example_count` is that of distinct examples."""
    trainer, full = subject.loaded(), subject.manifest.batch_size
    for size in {0, 1, full}:
        a_pass = -(-subject.rows // (size or full))
        for epochs, most in ((1, 0), (2, 0), (2, 1), (2, a_pass)):
            done = subject.train(trainer, local={"batch_size": size, "epochs": epochs, "max_steps": most})
            steps = min(epochs * a_pass, most or epochs * a_pass)
            seen = min(steps * (size or full), subject.rows)
            words = f"batch_size {size}, epochs {epochs}, max_steps {most}"
            _hold(done.steps == steps, f"{words}: {steps} steps were asked for, {done.steps} taken")
            _hold(done.example_count == seen, f"{words}: {seen} examples are used, not {done.example_count}")


def a_short_step_is_that_of_its_examples(subject: Subject) -> None:
    """One example beside room for more counts as if it were alone."""
    trainer = subject.loaded()
    alone = subject.train(trainer, take_rows(subject.examples, slice(0, 1)))
    first = subject.train(trainer, local={"batch_size": 1, "max_steps": 1})
    _hold(np.array_equal(alone.vector, first.vector), "batch_size 1 must give the step of the first example alone")
    more = subject.train(trainer, local={"max_steps": 1})
    _hold(not np.array_equal(alone.vector, more.vector), "a step of several examples must use them all")


def the_order_is_the_generators(subject: Subject) -> None:
    """Shuffled by `rng`, or oldest first whatever `rng` gives."""
    trainer = subject.loaded()
    fixed = [subject.train(trainer, seed=seed).vector for seed in (1, 2)]
    _hold(np.array_equal(fixed[0], fixed[1]), "without shuffling the generator must not matter")
    shuffled = [subject.train(trainer, seed=seed, local={"shuffle": True}).vector for seed in range(8)]
    differ = any(not np.array_equal(one, shuffled[0]) for one in shuffled[1:])
    _hold(differ, "with shuffling eight generators must not give one order")


def the_learning_rate_is_the_tasks(subject: Subject) -> None:
    """Twice the rate makes a first step twice as long; without one it is the plan's."""
    trainer, small = subject.loaded(), subject.learning_rate / 4
    once, twice = (
        subject.train(trainer, local={"max_steps": 1, "learning_rate": rate}).vector for rate in (small, 2 * small)
    )
    _near(twice, 2 * once, "a step with twice the learning rate must be twice as long", 0.02)
    own = subject.manifest.learning_rate
    plain, said = (subject.train(trainer, local={"max_steps": 1, "learning_rate": rate}).vector for rate in (None, own))
    _hold(np.array_equal(plain, said), "without a learning rate it is the plan's own")


def enough_ends_training_after_a_step(subject: Subject) -> None:
    """What was trained until then is the result; the first step is always taken."""
    trainer = subject.loaded()
    for algorithm in _steppers(subject):
        more = _control(subject, algorithm)
        ended = subject.train(trainer, algorithm=algorithm, enough=lambda: True, **more)
        one = subject.train(trainer, algorithm=algorithm, local={"max_steps": 1}, **more)
        _hold(ended.steps == 1, f"{algorithm.name}: enough after the first step must leave one step")
        _hold(np.array_equal(ended.vector, one.vector), f"{algorithm.name}: that step must be the result")


def an_interrupt_is_asked_before_every_step(subject: Subject) -> None:
    """Its words come with `Interrupted`; from the progress that this holds, training goes on with the same bits."""
    for algorithm in _algorithms(subject):
        _interrupt_and_go_on(subject, algorithm)
    weights = subject.start()
    for step in range(-(-subject.rows // subject.manifest.batch_size)):
        _interrupted(lambda given: subject.loaded().evaluate(weights, subject.examples, interrupt=given), step)


def metrics_are_sums(subject: Subject) -> None:
    """Those of two halves add up to those of the whole; the names are the plan's."""
    trainer, weights, half = subject.loaded(), subject.start(), subject.rows // 2
    parts = (subject.examples, *(take_rows(subject.examples, one) for one in (slice(0, half), slice(half, None))))
    whole, *halves = (trainer.evaluate(weights, part, interrupt=lambda: "") for part in parts)
    _hold(set(whole) <= set(subject.manifest.metric_names), "metrics must have the plan's names")
    _hold("loss" in whole, "the loss must be among the metrics")
    added = add_metrics(halves)
    for name, one in whole.items():
        _near(np.float32(added[name].sum), np.float32(one.sum), f"{name}: the sums of two halves must add up", 1e-3)
        _near(np.float32(added[name].weight), np.float32(one.weight), f"{name}: the weights must add up", 1e-3)


def a_gradient_is_that_of_all_examples(subject: Subject) -> None:
    """D-SGD: the mean over the examples, whatever the local settings; the slope along which FedProx takes its step."""
    if not subject.manifest.has_gradients:
        _refused(subject)
        return
    trainer, half = subject.loaded(), subject.rows // 2
    whole = subject.train(trainer, algorithm=Algorithm.DSGD, local={"epochs": 3})
    _hold(whole.example_count == subject.rows, "every example must be used")
    parts = [take_rows(subject.examples, one) for one in (slice(0, half), slice(half, None))]
    means = [subject.train(trainer, part, algorithm=Algorithm.DSGD).vector * count_rows(part) for part in parts]
    _near(whole.vector, (means[0] + means[1]) / subject.rows, "the gradient must be the mean over all examples")
    slope = subject.train(trainer, subject.batch, algorithm=Algorithm.DSGD).vector
    step = subject.train(trainer, subject.batch, algorithm=Algorithm.FEDPROX).vector
    _near(step, -subject.learning_rate * slope, "a step of plain SGD must go along the gradient")


def fedprox_pulls_to_the_checkpoint(subject: Subject) -> None:
    """`w <- w - rate (g + mu (w - w0))`; with a mask only where it is True."""
    if not subject.manifest.has_gradients:
        _refused(subject)
        return
    trainer, start, rate, mu = subject.loaded(), subject.start(), subject.learning_rate, 0.5
    prox = {"algorithm": Algorithm.FEDPROX, "local": {"epochs": 2, "proximal_mu": mu}}
    first = start - rate * _slope(subject, trainer, start)
    second = first - rate * (_slope(subject, trainer, first) + mu * (first - start))
    _near(subject.train(trainer, subject.batch, **prox).vector, second - start, "two steps of FedProx")
    mask = np.arange(start.size) % 2 == 0
    masked = subject.train(trainer, subject.batch, mask=mask, **prox).vector
    _hold(not np.any(masked[~mask]), "what a mask excludes must not move")
    _hold(bool(np.any(masked[mask])) or not np.any(second[mask] - start[mask]), "what it includes must move")


def scaffold_corrects_every_step(subject: Subject) -> None:
    """`w <- w - rate (g - own + server)`, and the second vector `(w0 - w) / (steps rate) - server`."""
    if not subject.manifest.has_gradients:
        _refused(subject)
        return
    trainer, start, rate = subject.loaded(), subject.start(), subject.learning_rate
    _raises(StateError, lambda: subject.train(trainer, algorithm=Algorithm.SCAFFOLD), "SCAFFOLD without variates")
    draw = np.random.default_rng(7)
    scale = float(np.abs(_slope(subject, trainer, start)).mean())
    own, server = (draw.normal(0, scale, start.size).astype(np.float32) for _ in range(2))
    weights = start
    for _ in range(2):
        weights = weights - rate * (_slope(subject, trainer, weights) - own + server)
    control = ControlVariates(own, server)
    done = subject.train(
        trainer, subject.batch, algorithm=Algorithm.SCAFFOLD, control=control, local={"epochs": 2}
    ).vector
    _hold(done.shape == (2 * start.size,), "SCAFFOLD must give two vectors, one after the other")
    _near(done[: start.size], weights - start, "two steps of SCAFFOLD")
    turned = (start - (start + done[: start.size])) / (2 * rate) - server
    _near(done[start.size :], turned, "the control variate's delta")


def what_is_unloaded_can_be_loaded_again(subject: Subject) -> None:
    """Of a trainer with `unload`: nothing runs until the plan is loaded again, and then it gives the same bits."""
    trainer = subject.loaded()
    if not isinstance(trainer, Unloadable):
        return
    before = subject.train(trainer)
    trainer.unload()
    _raises(StateError, lambda: subject.train(trainer), "training after the plan was unloaded")
    trainer.load(subject.plan, sha256(subject.plan.read_bytes()).hex())
    _hold(np.array_equal(subject.train(trainer).vector, before.vector), "a plan loaded again must give the same bits")


TRAINER_CONTRACT: tuple[Callable[[Subject], None], ...] = (
    load_gives_the_manifest,
    nothing_runs_before_a_plan_is_loaded,
    weights_of_another_length_are_refused,
    the_update_is_new_weights_minus_old,
    nothing_is_left_of_earlier_work,
    steps_are_counted,
    a_short_step_is_that_of_its_examples,
    the_order_is_the_generators,
    the_learning_rate_is_the_tasks,
    enough_ends_training_after_a_step,
    an_interrupt_is_asked_before_every_step,
    metrics_are_sums,
    a_gradient_is_that_of_all_examples,
    fedprox_pulls_to_the_checkpoint,
    scaffold_corrects_every_step,
    what_is_unloaded_can_be_loaded_again,
)
"""Every rule; each takes a `Subject` and raises `AssertionError` where it is broken."""


def _interrupt_and_go_on(subject: Subject, algorithm: Algorithm) -> None:
    more: dict[str, Any] = {"algorithm": algorithm, "local": {"epochs": 2, "shuffle": True}}
    more |= _control(subject, algorithm)
    whole = subject.train(subject.loaded(), seed=5, **more)
    for step in range(whole.steps):
        error = _interrupted(lambda given: subject.train(subject.loaded(), seed=5, interrupt=given, **more), step)
        if error.progress is not None:
            # The generator's state is in the progress: another one does not matter.
            done = subject.train(subject.loaded(), seed=6, progress=error.progress, **more)
            same = np.array_equal(done.vector, whole.vector) and done.steps == whole.steps
            _hold(same, f"{algorithm.name}: training that goes on after {step} steps must give the same bits")


def _algorithms(subject: Subject) -> list[Algorithm]:
    return [one for one in DEVICE_ALGORITHMS if subject.manifest.has_gradients or one not in _WITH_GRADIENTS]


def _steppers(subject: Subject) -> list[Algorithm]:
    return [one for one in _algorithms(subject) if one is not Algorithm.DSGD]


def _control(subject: Subject, algorithm: Algorithm) -> dict[str, Any]:
    if algorithm is not Algorithm.SCAFFOLD:
        return {}
    zeros = np.zeros(total_size(subject.manifest.weight_specs), np.float32)
    return {"control": ControlVariates(zeros, zeros)}


def _slope(subject: Subject, trainer: LocalTrainer, weights: _Vector) -> _Vector:
    return subject.train(trainer, subject.batch, checkpoint=weights, algorithm=Algorithm.DSGD).vector


def _refused(subject: Subject) -> None:
    trainer = subject.loaded()
    for algorithm in _WITH_GRADIENTS:
        work = partial(subject.train, trainer, algorithm=algorithm, **_control(subject, algorithm))
        _raises(PlanError, work, f"{algorithm.name} with a plan without gradients")


def _interrupted(work: Callable[[Callable[[], str]], object], after: int) -> Interrupted:
    """What work raises whose interrupt speaks up after so many questions."""
    asked = 0

    def interrupt() -> str:
        nonlocal asked
        asked += 1
        return "the power went" if asked > after else ""

    try:
        work(interrupt)
    except Interrupted as error:
        _hold(str(error) == "the power went", "Interrupted must carry the interrupt's words")
        return error
    raise AssertionError(f"an interrupt before step {after + 1} must raise Interrupted")


def _raises(kind: type[Exception], work: Callable[[], object], words: str) -> None:
    try:
        work()
    except kind:
        return
    raise AssertionError(f"{words} must raise {kind.__name__}")


def _near(found: Any, expected: Any, words: str, tolerance: float = 1e-3) -> None:
    """To a share of the largest magnitude, since single weights may be as good as zero."""
    scale = float(np.max(np.abs(expected), initial=0.0))
    _hold(bool(np.allclose(found, expected, rtol=tolerance, atol=tolerance * scale)), f"{words} differs")


def _hold(condition: bool, words: str) -> None:
    if not condition:
        raise AssertionError(words)
