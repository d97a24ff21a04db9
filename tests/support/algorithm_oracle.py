"""Every algorithm a second time, in plain Python floats: linear regression on the tiny plan, devices and server.

Nothing here is shared with the code under test but the names of the settings.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from fieldfare.core.tasks import TaskSpec

Vector = list[float]


@dataclass
class OracleDevice:
    """One device's examples of y = x w + b, its seed, and its control variate."""

    x: list[float]
    y: list[float]
    seed: int
    control: Vector = field(default_factory=lambda: [0.0, 0.0])

    def slope(self, w: Vector, rows: list[int]) -> Vector:
        """The gradient of the mean squared error over these rows, for (w, b)."""
        errors = [self.x[row] * w[0] + w[1] - self.y[row] for row in rows]
        kernel = sum(2 * error * self.x[row] for error, row in zip(errors, rows, strict=True))
        return [kernel / len(rows), sum(2 * error for error in errors) / len(rows)]

    def batches(self, spec: TaskSpec, round_number: int, batch: int) -> list[list[int]]:
        rng = np.random.default_rng([self.seed, round_number])
        found = []
        for _ in range(spec.local.epochs):
            order = rng.permutation(len(self.x)).tolist()
            found += [order[start : start + batch] for start in range(0, len(order), batch)]
        return found


@dataclass
class AlgorithmOracle:
    """The task's global weights, round after round. All devices take part in every round.

    Attributes:
        batch: the plan's batch size.
        weights: (w, b) of the newest checkpoint.
    """

    spec: TaskSpec
    devices: list[OracleDevice]
    batch: int
    weights: Vector = field(default_factory=lambda: [0.0, 0.0])
    control: Vector = field(default_factory=lambda: [0.0, 0.0])
    first: Vector = field(default_factory=lambda: [0.0, 0.0])
    second: Vector | None = None

    def play(self, round_number: int) -> Vector:
        """One round; the new weights."""
        name = self.spec.aggregation.algorithm.name
        updates = [self._update(name, device, round_number) for device in self.devices]
        mean = self._mean([update for update, _ in updates])
        if name == "SCAFFOLD":
            turned = self._mean([change for _, change in updates])
            self.control = [a + b for a, b in zip(self.control, turned, strict=True)]
            for device, (_, change) in zip(self.devices, updates, strict=True):
                device.control = [a + b for a, b in zip(device.control, change, strict=True)]
        self.weights = [w + step for w, step in zip(self.weights, self._step(name, mean), strict=True)]
        return self.weights

    def _update(self, name: str, device: OracleDevice, round_number: int) -> tuple[Vector, Vector]:
        if name == "DSGD":
            return device.slope(self.weights, list(range(len(device.x)))), [0.0, 0.0]
        w, rate = list(self.weights), self.spec.local.learning_rate or math.nan
        batches = device.batches(self.spec, round_number, self.batch)
        for rows in batches:
            g = device.slope(w, rows)
            if name == "FEDPROX":
                g = [a + self.spec.local.proximal_mu * (b - c) for a, b, c in zip(g, w, self.weights, strict=True)]
            if name == "SCAFFOLD":
                g = [a - b + c for a, b, c in zip(g, device.control, self.control, strict=True)]
            w = [a - rate * b for a, b in zip(w, g, strict=True)]
        travelled = [(a - b) / (len(batches) * rate) for a, b in zip(self.weights, w, strict=True)]
        turned = [a - b for a, b in zip(travelled, self.control, strict=True)]
        return [a - b for a, b in zip(w, self.weights, strict=True)], turned

    def _mean(self, updates: list[Vector]) -> Vector:
        combiner = self.spec.aggregation.combiner.name
        columns = [sorted(one[at] for one in updates) for at in range(2)]
        if combiner == "MEDIAN":
            middle = len(updates) // 2
            odd = len(updates) % 2
            return [one[middle] if odd else (one[middle - 1] + one[middle]) / 2 for one in columns]
        if combiner == "TRIMMED_MEAN":
            cut = math.floor(self.spec.aggregation.trim * len(updates))
            return [sum(one[cut : len(one) - cut]) / (len(one) - 2 * cut) for one in columns]
        if combiner in {"KRUM", "MULTI_KRUM"}:
            return self._krum(updates, 1 if combiner == "KRUM" else self.spec.aggregation.krum_selected)
        by_examples = self.spec.aggregation.weighting.name == "EXAMPLES"
        weights = [len(device.x) if by_examples else 1 for device in self.devices]
        return [
            sum(weight * one[at] for weight, one in zip(weights, updates, strict=True)) / sum(weights)
            for at in range(2)
        ]

    def _krum(self, updates: list[Vector], selected: int) -> Vector:
        neighbours = len(updates) - self.spec.aggregation.byzantine - 2
        scores = []
        for index, one in enumerate(updates):
            distances = [math.dist(one, other) ** 2 for at, other in enumerate(updates) if at != index]
            scores.append((sum(sorted(distances)[:neighbours]), index))
        best = [updates[index] for _, index in sorted(scores)[:selected]]
        return [sum(one[at] for one in best) / selected for at in range(2)]

    def _step(self, name: str, mean: Vector) -> Vector:
        spec = self.spec.aggregation
        rate, tau = spec.server_learning_rate, spec.adaptivity
        if name == "DSGD":
            return [-rate * d for d in mean]
        if name == "FEDAVGM":
            self.first = [spec.beta1 * v + d for v, d in zip(self.first, mean, strict=True)]
            return [rate * v for v in self.first]
        if name not in {"FEDADAGRAD", "FEDADAM", "FEDYOGI"}:
            return [rate * d for d in mean]
        beta1, beta2 = (0.0 if name == "FEDADAGRAD" else spec.beta1), spec.beta2
        self.first = [beta1 * m + (1 - beta1) * d for m, d in zip(self.first, mean, strict=True)]
        old = self.second or [tau**2, tau**2]
        self.second = []
        for v, d in zip(old, mean, strict=True):
            adagrad, adam = v + d * d, beta2 * v + (1 - beta2) * d * d
            yogi = v - (1 - beta2) * d * d * math.copysign(1, v - d * d)
            self.second.append({"FEDADAGRAD": adagrad, "FEDADAM": adam, "FEDYOGI": yogi}[name])
        return [rate * m / (math.sqrt(v) + tau) for m, v in zip(self.first, self.second, strict=True)]
