"""The stages of the experiment, each of which leaves its result in the output folder for the table."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from examples.keyboard.app.keyboard import PLAN, VOCABULARY
from examples.keyboard.experiment.devices import Town
from examples.keyboard.experiment.measure import Recall, most_frequent, plan_logits, recall_of, recall_of_words
from examples.keyboard.experiment.settings import Settings
from examples.keyboard.roles import Role, public_vocabulary, read_roles
from examples.keyboard.words import Vocabulary, examples_of, joined
from fieldfare.core.errors import NotFoundError, StateError
from fieldfare.core.files import write_atomically
from fieldfare.core.plans import Examples, PlanRuntime, take_rows

if TYPE_CHECKING:
    from examples.keyboard.experiment.federated import Trained

FIRST_PLAN = "untrained.tflite"
FEDERATED_WEIGHTS = "federated.npy"
_PROGRESS = "phases"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Experiment:
    """What every stage needs.

    Attributes:
        output: the folder of results.
        data: the file of roles.
        settings: what is done.
        seed: of the model's first weights, the cohorts and every shuffling.
        roles: one device each.
        vocabulary: that all of them have.
        resume: go on after the last phase that was finished.
        say: told how it goes.
    """

    output: Path
    data: Path
    settings: Settings
    seed: int
    roles: tuple[Role, ...]
    vocabulary: Vocabulary
    resume: bool
    say: Say

    def training(self) -> Examples:
        """What all devices train on."""
        return joined([examples_of(self.vocabulary, role.training) for role in self.roles])

    def held_out(self) -> Examples:
        """What nobody trains on."""
        return joined([examples_of(self.vocabulary, role.held_out) for role in self.roles])

    def write(self, name: str, **result: Any) -> None:
        """Keep a stage's result."""
        write_atomically(self.output / f"{name}.json", json.dumps(result, indent=1).encode())

    def read(self, name: str) -> dict[str, Any]:
        """A stage's result.

        Raises:
            NotFoundError: that stage has not been run.
        """
        path = self.output / f"{name}.json"
        if not path.is_file():
            raise NotFoundError(f"there is no {path}: run the stage {name} first")
        result: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return result


def open_experiment(output: Path, data: Path, settings: Settings, *, seed: int, resume: bool, say: Say) -> Experiment:
    """Read the data and make the vocabulary, from all roles that give their words, however few of them take part."""
    every = read_roles(data)
    vocabulary = public_vocabulary(every, size=settings.ids)
    roles = sorted(every, key=lambda role: -len(role.training))[: settings.roles] if settings.roles else every
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / VOCABULARY, "\n".join(vocabulary.words).encode())
    return Experiment(output, data, settings, seed, tuple(roles), vocabulary, resume, say)


def run_baselines(experiment: Experiment) -> None:
    """Export the untrained model; measure it, and the words that are said most often."""
    from examples.keyboard.model import build_model, export_plan

    settings = experiment.settings
    model = build_model(len(experiment.vocabulary), seed=experiment.seed, width=settings.width)
    plan = experiment.output / FIRST_PLAN
    export_plan(model, plan, learning_rate=settings.federated.learning_rate)
    held_out = experiment.held_out()
    untrained = recall_of(plan_logits(PlanRuntime(plan)), held_out)
    frequent = recall_of_words(most_frequent(experiment.training()), held_out)
    experiment.write("baselines", untrained=asdict(untrained), frequent=asdict(frequent))
    experiment.say(f"untrained {words(untrained)}; most frequent words {words(frequent)}")


def run_federated(experiment: Experiment) -> None:
    """Train over the devices; the plan with the trained weights is what an app ships."""
    from examples.keyboard.experiment.federated import POPULATION, Trained, train_federated
    from fieldfare.converters import weights_into_plan

    settings, output = experiment.settings, experiment.output
    plan = output / FIRST_PLAN
    if not plan.is_file():
        raise NotFoundError(f"there is no {plan}: run the stage baselines first")
    runtime, held_out = PlanRuntime(plan), experiment.held_out()
    rng = np.random.default_rng(experiment.seed)
    rows = len(held_out["ids"])
    look = take_rows(held_out, rng.choice(rows, min(rows, settings.look_examples), replace=False))
    before, curve = _resumed(experiment, runtime)

    def on_round(number: int, weights: NDArray[np.float32]) -> None:
        if number % settings.look_every:
            return
        runtime.set_weights(weights)
        found = recall_of(plan_logits(runtime), look)
        curve.append((number, found.top1, found.top3))
        experiment.say(f"round {number}: {words(found)} on {len(look['ids'])} examples")

    folders = [output / name for name in ("devices", "state")]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    town = Town(
        data=experiment.data,
        names=tuple(role.name for role in experiment.roles),
        folder=folders[0],
        vocabulary=output / VOCABULARY,
        plan=plan,
        aggregator="",
        population=POPULATION,
        threads=settings.federated.threads,
        seed=experiment.seed,
    )

    def on_phase(done: Trained) -> None:
        np.save(output / FEDERATED_WEIGHTS, np.asarray(done.weights, np.float32))
        experiment.write(_PROGRESS, curve=curve, **_without_weights(done))

    done = train_federated(
        plan, town, settings.federated, folders[1], before=before, on_round=on_round, on_phase=on_phase
    )
    if done.weights is None:
        raise StateError("there is no phase to run")
    write_atomically(output / PLAN, weights_into_plan(plan.read_bytes(), done.weights))
    runtime.set_weights(done.weights)
    found = recall_of(plan_logits(runtime), held_out)
    experiment.write(
        "federated",
        recall=asdict(found),
        curve=curve,
        devices=len(experiment.roles),
        settings=asdict(settings.federated),
        **_without_weights(done),
    )
    experiment.say(f"federated {words(found)} after {done.seconds:.0f} s")


def _resumed(experiment: Experiment, runtime: PlanRuntime) -> "tuple[Trained, list[tuple[int, float, float]]]":
    """The phases that an earlier run has finished, where it is to be resumed; else none."""
    from examples.keyboard.experiment.federated import Trained

    if not experiment.resume or not (experiment.output / f"{_PROGRESS}.json").is_file():
        return Trained(), []
    kept = experiment.read(_PROGRESS)
    curve = [tuple(one) for one in kept.pop("curve")]
    weights = np.load(experiment.output / FEDERATED_WEIGHTS)
    if weights.shape != runtime.get_weights().shape:
        raise StateError("the kept weights are of another model: run without --resume")
    return Trained(weights, **kept), curve


def _without_weights(done: "Trained") -> dict[str, Any]:
    return {one.name: getattr(done, one.name) for one in fields(done) if one.name != "weights"}


def run_central(experiment: Experiment) -> None:
    """Train the same model, from the same first weights, on all examples in one place; the best pass counts."""
    from examples.keyboard.experiment.central import train_central
    from examples.keyboard.experiment.measure import keras_logits
    from examples.keyboard.model import build_model

    settings, held_out = experiment.settings, experiment.held_out()
    model = build_model(len(experiment.vocabulary), seed=experiment.seed, width=settings.width)
    passes: list[Recall] = []

    def on_epoch(epoch: int) -> None:
        passes.append(recall_of(keras_logits(model), held_out))
        best = max(passes, key=lambda one: one.among_three)
        experiment.write("central", recall=asdict(best), passes=[asdict(one) for one in passes])
        experiment.say(f"central, pass {epoch}: {words(passes[-1])}")

    train_central(model, experiment.training(), epochs=settings.central_epochs, on_epoch=on_epoch)


def run_personal(experiment: Experiment) -> None:
    """Fine-tune the federated model on each device."""
    from examples.keyboard.experiment.personal import personalise_roles

    path = experiment.output / FEDERATED_WEIGHTS
    if not path.is_file():
        raise NotFoundError(f"there is no {path}: run the stage federated first")
    weights = np.load(path)
    plan = experiment.output / FIRST_PLAN
    if weights.shape != PlanRuntime(plan).get_weights().shape:
        raise StateError(f"{path} is of another model: run the stage federated again")
    found = personalise_roles(
        plan,
        weights,
        experiment.roles,
        experiment.vocabulary,
        experiment.settings.personal,
        processes=experiment.settings.federated.processes,
    )
    experiment.write("personal", **asdict(found), settings=asdict(experiment.settings.personal))
    experiment.say(f"federated {words(found.shared)}; personalised {words(found.own)}")


def words(recall: Recall) -> str:
    """Such as "top-1 12.3 %, top-3 23.4 %"."""
    return f"top-1 {100 * recall.top1:.1f} %, top-3 {100 * recall.top3:.1f} %"


STAGES: dict[str, Callable[[Experiment], None]] = {
    "baselines": run_baselines,
    "federated": run_federated,
    "central": run_central,
    "personal": run_personal,
}
