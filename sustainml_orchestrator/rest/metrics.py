"""Figures for Prometheus, and whether the server and the system work."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

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
    (GaugeMetricFamily, "responsive", "Whether its heartbeats come.", lambda i: i.responsive),
    (GaugeMetricFamily, "in_error", "Whether it is in ERROR.",
     lambda i: i.node_status == NodeStatus.ERROR),
    (GaugeMetricFamily, "active_tasks", "Tasks that it holds.", lambda i: i.active_tasks),
    (CounterMetricFamily, "finished_tasks", "Outputs taken from it.", lambda i: i.finished_tasks),
)  # fmt: skip


class DiagnosticsCollector(Collector):
    """Queues, journal and dropped messages as metrics, from the diagnostics."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics

    def collect(self) -> Iterator[Metric]:
        """All metrics; none without an orchestrator, none of a journal where there is none."""
        parts = self._diagnostics.parts
        for part, key, kind, name, unit, text in _DIAGNOSTICS:
            for value in parts[part].values if part in parts else ():
                if value.key == key:
                    yield kind(f"sustainml_{name}", text, unit * float(value.value))
        journal = parts.get("journal")
        if journal is not None and journal.values:
            yield GaugeMetricFamily(
                "sustainml_journal_writable", "Whether changes are saved.",
                float(journal.level != DiagnosticStatus.ERROR),
            )  # fmt: skip
        if "dropped messages" in parts:
            dropped = CounterMetricFamily(
                "sustainml_dropped_messages", "Messages that were not taken.", labels=["reason"]
            )
            for value in parts["dropped messages"].values:
                dropped.add_metric([value.key], float(value.value))
            yield dropped


#: Part and key of the diagnostics; kind, name, unit and text of the metric.
_DIAGNOSTICS = (
    ("queues", "waiting tasks, limit", GaugeMetricFamily, "waiting_tasks_limit", 1,
     "So many tasks may wait."),
    ("queues", "running tasks, limit", GaugeMetricFamily, "running_tasks_limit", 1,
     "So many tasks may run."),
    ("queues", "pending calls", GaugeMetricFamily, "pending_calls", 1,
     "Calls that wait for a node."),
    ("queues", "pending calls, limit", GaugeMetricFamily, "pending_calls_limit", 1,
     "So many calls may wait."),
    ("queues", "oldest waits (s)", GaugeMetricFamily, "oldest_wait_seconds", 1,
     "For how long the first task of the queue waits."),
    ("journal", "commits", CounterMetricFamily, "journal_commits", 1, "Times that it was saved."),
    ("journal", "free space (MiB)", GaugeMetricFamily, "journal_free_bytes", 2**20,
     "Free space of its disk."),
    ("tasks", "payloads (B)", GaugeMetricFamily, "payload_bytes", 1, "Size of all outputs kept."),
)  # fmt: skip


class TaskMetrics:
    """How long tasks take, as heard by this server.

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
