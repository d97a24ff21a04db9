"""Every metric that this process counts itself, with what it means.

Label values come from the code or from a task's plan, never from a device, so there are few of them.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Summary
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

_CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_OPERATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_MOST_REASONS = 64


class Metrics:
    """The metrics of one aggregator, in a registry of their own: a process may hold several aggregators.

    Args:
        version: of Fieldfare.

    Attributes:
        registry: what is served.
    """

    def __init__(self, version: str) -> None:
        self.registry = registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        Info("fieldfare", "Version of Fieldfare.", registry=registry).info({"version": version})
        self.calls = Counter(
            "fieldfare_calls", "Finished calls, by method and gRPC status.", ("method", "code"), registry=registry
        )
        self.call_seconds = Histogram(
            "fieldfare_call_seconds",
            "Time from a call's begin to its end, waiting included.",
            ("method",),
            buckets=_CALL_BUCKETS,
            registry=registry,
        )
        self.calls_open = Gauge("fieldfare_calls_open", "Calls being served.", ("method",), registry=registry)
        self.received_bytes = Counter(
            "fieldfare_received_bytes", "Bytes of messages that peers sent.", ("method",), registry=registry
        )
        self.sent_bytes = Counter(
            "fieldfare_sent_bytes", "Bytes of messages that peers were sent.", ("method",), registry=registry
        )
        self.check_ins = Counter(
            "fieldfare_check_ins", "Check-ins, by answer: assignment or come_back.", ("answer",), registry=registry
        )
        self.receipts = Counter(
            "fieldfare_receipts",
            "Answers to reports, by receipt: accepted, pending, duplicate, late, invalid, unknown.",
            ("status",),
            registry=registry,
        )
        self.refusals = Counter(
            "fieldfare_refusals", "Reports that were refused as invalid, by reason.", ("reason",), registry=registry
        )
        self.rounds = Counter(
            "fieldfare_rounds",
            "Rounds that ended, by kind (training, evaluation) and state (committed, abandoned).",
            ("kind", "state"),
            registry=registry,
        )
        self.task_changes = Counter(
            "fieldfare_task_changes",
            "Changes of tasks: submitted, running, paused, completed, failed, cancelled.",
            ("to",),
            registry=registry,
        )
        self.operation_seconds = Histogram(
            "fieldfare_operation_seconds",
            "Time of the engine's own work: ingest (check, decode and add one report), snapshot, commit.",
            ("operation",),
            buckets=_OPERATION_BUCKETS,
            registry=registry,
        )
        self.operation_errors = Counter(
            "fieldfare_operation_errors",
            "Such work that failed; for ingest, reports that were refused.",
            ("operation",),
            registry=registry,
        )
        self.storage_seconds = Summary(
            "fieldfare_storage_seconds",
            "Time in storage, by store (database, blobs) and method.",
            ("store", "method"),
            registry=registry,
        )
        self.storage_errors = Counter(
            "fieldfare_storage_errors", "Storage that failed, by store and method.", ("store", "method"),
            registry=registry,
        )  # fmt: skip
        self.healthy = Gauge("fieldfare_healthy", "1 while the health service says SERVING, else 0.", registry=registry)
        self._reasons: set[str] = set()

    def refused(self, reason: str) -> None:
        """Count a refusal. Safe: reasons are named by the code; more of them than it has would be its bug."""
        if reason not in self._reasons and len(self._reasons) >= _MOST_REASONS:
            reason = "other"
        self._reasons.add(reason)
        self.refusals.labels(reason or "unnamed").inc()
