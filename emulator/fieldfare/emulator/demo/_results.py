"""What the demo leaves in its folder."""

import platform
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from fieldfare.core.files import write_atomically
from fieldfare.core.metrics import add_metrics, means
from fieldfare.core.plans import Manifest, PlanRuntime, count_rows, runtime_version, take_rows
from fieldfare.emulator.demo._digits import INPUT, TARGET, DigitsSplit
from fieldfare.emulator.demo._settings import METRIC, DemoOutcome, DemoSettings
from fieldfare.emulator.report import (
    Fact,
    Plot,
    RoundRow,
    Section,
    round_rows,
    rounds_section,
    write_report,
    write_rounds_csv,
    write_summary,
)
from fieldfare.emulator.report.plots import (
    cohort_plot,
    label_plot,
    learning_plot,
    loss_plot,
    round_seconds_plot,
    traffic_plot,
)


def write_results(
    folder: Path,
    manifest: Manifest,
    split: DigitsSplit,
    settings: DemoSettings,
    outcome: DemoOutcome,
    seconds: float,
) -> float:
    """Write every result file; return the accuracy on the digits that no device holds."""
    from fieldfare.converters import plan_to_inference, save_weights, weights_into_plan

    plan = (folder / "plan.tflite").read_bytes()
    trained = weights_into_plan(plan, outcome.weights)
    write_atomically(folder / "plan.tflite", trained)
    write_atomically(folder / "model.tflite", plan_to_inference(plan, outcome.weights))
    save_weights(folder / "global.safetensors", manifest.weight_specs, outcome.weights)
    test = _test_means(trained, split)
    rows = round_rows(outcome.status.rounds)
    write_rounds_csv(folder / "rounds.csv", rows)
    write_summary(folder / "summary.json", _summary(settings, split, outcome, rows, test, seconds))
    _write_page(folder / "report.html", settings, split, outcome, rows, test)
    return test[METRIC]


def _test_means(plan: bytes, split: DigitsSplit) -> dict[str, float]:
    runtime = PlanRuntime(plan)
    rows, batch = count_rows(split.test), runtime.manifest.batch_size
    parts = (take_rows(split.test, slice(start, start + batch)) for start in range(0, rows, batch))
    return means(add_metrics(runtime.evaluate_step(part) for part in parts))


def _summary(
    settings: DemoSettings,
    split: DigitsSplit,
    outcome: DemoOutcome,
    rows: list[RoundRow],
    test: dict[str, float],
    seconds: float,
) -> dict[str, object]:
    return {
        "outcome": outcome.status.reason,
        "rounds": len(rows),
        "test": test,
        "test_examples": count_rows(split.test),
        "held_out": dict(rows[-1].held_out) if rows else {},
        "bytes_up": sum(row.bytes_up for row in rows),
        "bytes_down": sum(row.bytes_down for row in rows),
        "seconds_training": round(outcome.seconds, 2),
        "seconds_total": round(seconds, 2),
        "settings": {**asdict(settings), "output": str(settings.output)},
        "model": {"weights": len(outcome.weights), "input": INPUT, "target": TARGET},
        "versions": {
            "fieldfare": metadata.version("fieldfare"),
            "litert": runtime_version(),
            "tensorflow": metadata.version("tensorflow"),
            "keras": metadata.version("keras"),
            "python": platform.python_version(),
            "machine": platform.machine(),
        },
    }


def _write_page(
    path: Path,
    settings: DemoSettings,
    split: DigitsSplit,
    outcome: DemoOutcome,
    rows: list[RoundRow],
    test: dict[str, float],
) -> None:
    held_out = rows[-1].held_out.get(METRIC) if rows else None
    traffic = sum(row.bytes_up + row.bytes_down for row in rows)
    facts = [
        Fact("accuracy on unseen digits", f"{test[METRIC]:.3f}"),
        Fact("held-out accuracy on devices", "-" if held_out is None else f"{held_out:.3f}"),
        Fact("training rounds", str(len(rows))),
        Fact("devices", f"{settings.devices} in {outcome.processes} processes"),
        Fact("weights", f"{len(outcome.weights):,}"),
        Fact("traffic, both ways", f"{traffic / 1e6:.1f} MB"),
        Fact("time of the rounds", f"{outcome.seconds:.0f} s"),
    ]
    learnt = [
        learning_plot(rows, metric=METRIC, target=settings.target),
        loss_plot(rows),
        learning_plot(rows, metric=METRIC, target=settings.target, against="time"),
        learning_plot(rows, metric=METRIC, target=settings.target, against="bytes"),
    ]
    sections = [
        Section(
            "What the model learnt, and what it took",
            "Measured on the devices, on examples that they never train on. Traffic is payload bytes of plans, "
            "checkpoints and updates; the plan travels to each device once.",
            [Plot("", one) for one in learnt],
        ),
        Section(
            "Single rounds",
            "More devices are asked than are needed; the round closes when enough reports are in.",
            [Plot("", one) for one in (cohort_plot(rows), round_seconds_plot(rows), traffic_plot(rows))],
        ),
        Section(
            "What the devices hold",
            f"How the digits were dealt out: Dirichlet({settings.alpha:g}). Known here because this is an emulation.",
            [Plot("", label_plot(split.label_counts()))],
        ),
        rounds_section(rows),
    ]
    lead = (
        f"{settings.devices} devices trained one model on handwritten digits that never left them. "
        f"Ended: {outcome.status.reason}. "
        f"Accuracy on {count_rows(split.test)} digits that no device holds: {test[METRIC]:.3f}."
    )
    write_report(path, title="Fieldfare: handwritten digits", lead=lead, facts=facts, sections=sections)
