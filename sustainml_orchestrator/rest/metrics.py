"""Figures for Prometheus, and whether the server and the system work."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from diagnostic_msgs.msg import DiagnosticStatus
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from sustainml_msgs.msg import NodeState, SystemState, TaskSummary

from sustainml_orchestrator.client import ClientError
from sustainml_orchestrator.client.diagnostics import Diagnostics
from sustainml_orchestrator.client.live import Live
from sustainml_orchestrator.core.ids import ErrorCode, NodeStatus, TaskStatus
from sustainml_orchestrator.core.states import FINAL_TASKS
from sustainml_orchestrator.rest.answers import Json, of_client_error
from sustainml_orchestrator.rest.calls import Calls

_COUNTS = ("waiting", "running", "succeeded", "failed", "stopped")
_BUCKETS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3600.0, 36000.0)
#: Ends of tasks that are remembered, since one may be announced twice.
_REMEMBERED = 10_000


class SystemCollector(Collector):
    """The state of the system as metrics, read when Prometheus asks."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def collect(self) -> Iterator[Metric]:
        """All metrics; without an orchestrator only that it is not there."""
        state = self._live.state
        yield GaugeMetricFamily(
            "sustainml_up", "Whether the orchestrator is there.", float(state is not None)
        )
        if state is None:
            return
        yield GaugeMetricFamily(
            "sustainml_ready", "Whether every required module is active.", float(state.ready)
        )
        info = GaugeMetricFamily("sustainml_info", "Version in a label.", labels=["version"])
        info.add_metric([state.version], 1.0)
        yield info
        tasks = GaugeMetricFamily("sustainml_tasks", "Tasks by state.", labels=["status"])
        for name in _COUNTS:
            tasks.add_metric([name], getattr(state, name))
        yield tasks
        yield CounterMetricFamily(
            "sustainml_changes", "Revision of the database.", float(state.revision)
        )
        yield from _of_nodes(state)


def _of_nodes(state: SystemState) -> Iterator[Metric]:
    status = GaugeMetricFamily(
        "sustainml_node_status", "1 for the state that a module is in.", labels=["node", "status"]
    )
    for node in state.nodes:
        for each in NodeStatus:
            status.add_metric([node.node_name, each.name.lower()], each == node.node_status)
    yield status
    for kind, name, text, read in _NODE_METRICS:
        metric = kind(f"sustainml_node_{name}", text, labels=["node"])
        for node in state.nodes:
            metric.add_metric([node.node_name], float(read(node)))
        yield metric
    for kind, name, text, read in _INSTANCE_METRICS:
        metric = kind(f"sustainml_instance_{name}", text, labels=["node", "instance"])
        for node in state.nodes:
            for instance in node.instances:
                metric.add_metric([node.node_name, instance.instance], float(read(instance)))
        yield metric


def _seen(node: NodeState) -> float:
    return float(node.last_seen.sec + node.last_seen.nanosec / 1e9)


_NODE_METRICS = (
    (GaugeMetricFamily, "responsive", "Whether its heartbeats come.", lambda n: n.responsive),
    (GaugeMetricFamily, "active_tasks", "Tasks that it holds.", lambda n: n.active_tasks),
    (GaugeMetricFamily, "instances", "Instances that share its work.", lambda n: len(n.instances)),
    (GaugeMetricFamily, "last_seen_timestamp_seconds", "Last heartbeat.", _seen),
    (GaugeMetricFamily, "resets", "Automatic resets since its last output.", lambda n: n.resets),
    (CounterMetricFamily, "restarts", "New processes.", lambda n: n.restarts),
)
_INSTANCE_METRICS = (
    (GaugeMetricFamily, "responsive", "Whether heartbeats of the instance arrive.",
     lambda i: i.responsive),
    (GaugeMetricFamily, "in_error", "Whether the instance is in ERROR.",
     lambda i: i.node_status == NodeStatus.ERROR),
    (GaugeMetricFamily, "active_tasks", "Tasks assigned to the instance.",
     lambda i: i.active_tasks),
    (CounterMetricFamily, "finished_tasks", "Outputs accepted from the instance.",
     lambda i: i.finished_tasks),
)  # fmt: skip


class DiagnosticsCollector(Collector):
    """Exports what the orchestrator's diagnostics say of queues, journal and dropped messages."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics: none without an orchestrator, no `journal_*` without a journal."""
        parts = self._diagnostics.parts
        figures = {part: _figures(status) for part, status in parts.items()}
        for part, key, kind, name, unit, text in _DIAGNOSTICS:
            if key in figures.get(part, {}):
                yield kind(f"sustainml_{name}", text, unit * figures[part][key])
        if figures.get("journal"):
            yield GaugeMetricFamily(
                "sustainml_journal_writable", "Whether the journal can be written.",
                float(parts["journal"].level != DiagnosticStatus.ERROR),
            )  # fmt: skip
        if "dropped messages" in parts:
            dropped = CounterMetricFamily(
                "sustainml_dropped_messages", "Messages that were rejected.", labels=["reason"]
            )
            for reason, count in figures["dropped messages"].items():
                dropped.add_metric([reason], count)
            yield dropped


def _figures(status: DiagnosticStatus) -> dict[str, float]:
    """The values of a status that are numbers, by key."""
    found = {}
    for value in status.values:
        with suppress(ValueError):
            found[value.key] = float(value.value)
    return found


#: Part and key of the diagnostics; kind, name, unit and help text of the metric.
_DIAGNOSTICS = (
    ("queues", "waiting tasks, limit", GaugeMetricFamily, "waiting_tasks_limit", 1,
     "Maximum number of waiting tasks (max_waiting_tasks)."),
    ("queues", "running tasks, limit", GaugeMetricFamily, "running_tasks_limit", 1,
     "Maximum number of running tasks (max_active_tasks)."),
    ("queues", "pending calls", GaugeMetricFamily, "pending_calls", 1,
     "Service calls that wait for a node."),
    ("queues", "pending calls, limit", GaugeMetricFamily, "pending_calls_limit", 1,
     "Maximum number of pending calls (max_pending_calls)."),
    ("queues", "oldest waits (s)", GaugeMetricFamily, "oldest_wait_seconds", 1,
     "Time that the oldest task of the queue has been waiting."),
    ("journal", "commits", CounterMetricFamily, "journal_commits", 1,
     "Transactions written to the journal."),
    ("journal", "free space (MiB)", GaugeMetricFamily, "journal_free_bytes", 2**20,
     "Free space on the disk of the journal."),
    ("journal", "size (B)", GaugeMetricFamily, "journal_size_bytes", 1,
     "Size of the database file."),
    ("journal", "write-ahead log (B)", GaugeMetricFamily, "journal_log_bytes", 1,
     "Size of SQLite's write-ahead log."),
    ("tasks", "payloads (B)", GaugeMetricFamily, "payload_bytes", 1,
     "Size of all stored inputs and outputs."),
    ("tasks", "succeeded in the last minute", GaugeMetricFamily, "succeeded_last_minute", 1,
     "Tasks that succeeded in the last minute."),
    ("tasks", "failed in the last minute", GaugeMetricFamily, "failed_last_minute", 1,
     "Tasks that failed in the last minute."),
)  # fmt: skip


class TaskMetrics:
    """Duration of the tasks whose updates this server received.

    Args:
        live: the updates.
        registry: of the metrics.
    """

    def __init__(self, live: Live, registry: CollectorRegistry) -> None:
        self._taken = Histogram(
            "sustainml_task_duration_seconds", "From creation to end, of tasks that ended while "
            "this server ran.", ["status"], registry=registry, buckets=_BUCKETS,
        )  # fmt: skip
        self._ended: deque[tuple[int, int, int]] = deque(maxlen=_REMEMBERED)
        self._known: set[tuple[int, int, int]] = set()
        live.add(self._on_message)

    def _on_message(self, message: TaskSummary | SystemState) -> None:
        """In one thread of `Live`."""
        if not isinstance(message, TaskSummary) or message.task_status not in FINAL_TASKS:
            return
        task = message.task_id
        key = (task.problem_id, task.iteration_id, message.attempt)
        if key in self._known:
            return
        if len(self._ended) == _REMEMBERED:
            self._known.discard(self._ended[0])
        self._ended.append(key)
        self._known.add(key)
        begun, ended = message.created, message.finished
        seconds = ended.sec - begun.sec + (ended.nanosec - begun.nanosec) / 1e9
        self._taken.labels(TaskStatus(message.task_status).name.lower()).observe(max(0.0, seconds))


class Monitoring:
    """`/metrics`, `/healthz` and `/readyz`.

    Args:
        calls: to the orchestrator.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._registry = CollectorRegistry()
        self._registry.register(SystemCollector(calls.live))
        self._registry.register(DiagnosticsCollector(Diagnostics(calls.client)))
        ProcessCollector(registry=self._registry)
        TaskMetrics(calls.live, self._registry)

    def routes(self) -> list[Route]:
        """The three routes."""
        return [
            Route("/metrics", self._metrics),
            Route("/healthz", self._health),
            Route("/readyz", self._ready),
        ]

    async def _metrics(self, _: Request) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    async def _health(self, request: Request) -> Response:
        """Whether this server works, with or without an orchestrator."""
        try:
            self._calls.client.check()
        except ClientError as error:
            broken = ClientError(ErrorCode.NODE_UNAVAILABLE, error.message)
            return of_client_error(broken, request.url.path)
        return Json({"healthy": True})

    async def _ready(self, request: Request) -> Response:
        """Whether the system takes work."""
        state = self._calls.live.state
        if state is not None and state.ready:
            return Json({"ready": True})
        reason = state.reason if state is not None else "no orchestrator answers"
        return of_client_error(
            ClientError(ErrorCode.NODE_UNAVAILABLE, f"not ready: {reason}"), request.url.path
        )
