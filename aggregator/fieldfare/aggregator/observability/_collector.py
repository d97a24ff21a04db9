"""Metrics that are looked up when they are fetched: tasks and their open rounds, in memory."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fieldfare.aggregator.engine import TaskLoad

_MOST_TASKS = 100
_TASK = ("task", "name")
_GAUGES = {
    "rounds_committed": "Training rounds committed.",
    "rounds_wanted": "Training rounds at the most.",
    "round_number": "Number of the open round; 0 where none is.",
    "round_goal": "Reports wanted in the open round.",
    "round_assigned": "Devices asked in the open round.",
    "round_reported": "Counted reports in the open round.",
    "reports_pending": "Reports added in memory that no snapshot holds yet.",
}


class TaskCollector(Collector):
    """Figures of active tasks; of the newest 100, where there are more.

    Args:
        tasks: asked at each scrape, from the scraper's thread.
        devices: how many devices were seen lately.
        waiting: how many check-ins are held open for work.
    """

    def __init__(
        self, tasks: Callable[[], Sequence[TaskLoad]], devices: Callable[[], int], waiting: Callable[[], int]
    ) -> None:
        self._tasks = tasks
        self._devices = devices
        self._waiting = waiting

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        tasks = self._tasks()
        states = GaugeMetricFamily("fieldfare_tasks", "Active tasks, by state (running, paused).", labels=("state",))
        for state in ("running", "paused"):
            states.add_metric((state,), sum(one.state.name.lower() == state for one in tasks))
        yield states
        yield GaugeMetricFamily("fieldfare_devices", "Estimate of the devices seen lately.", self._devices())
        yield GaugeMetricFamily("fieldfare_waiting", "Check-ins that are held open for work.", self._waiting())
        shown = tasks[-_MOST_TASKS:]
        for name, text in _GAUGES.items():
            gauge = GaugeMetricFamily(
                f"fieldfare_task_{name}", f"Active task: {text[0].lower()}{text[1:]}", labels=_TASK
            )
            for one in shown:
                gauge.add_metric((one.task_id, one.name), getattr(one, name))
            yield gauge
        means = GaugeMetricFamily(
            "fieldfare_task_metric",
            "Mean of a metric in an active task's newest evaluation round.",
            labels=(*_TASK, "metric"),
        )
        for one in shown:
            for metric, value in sorted(one.metrics.items()):
                means.add_metric((one.task_id, one.name, metric), value)
        yield means
