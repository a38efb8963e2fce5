"""/diagnostics for rqt and monitors, by the conventions of diagnostic_updater.

One status for each process of a module, and one each for tasks, queues, journal and dropped
messages. Their names begin with that of the orchestrator: "/sustainml/orchestrator: tasks"; the
hardware_id is the namespace of the framework. config/diagnostics/analyzers.yaml groups them.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node as RosNode

from sustainml_orchestrator.core.ids import NodeStatus, TaskStatus
from sustainml_orchestrator.core.instance import Instance
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.states import ACTIVE_NODES, OPEN_STEPS, StepState
from sustainml_orchestrator.core.text import duration
from sustainml_orchestrator.node import conversions
from sustainml_orchestrator.node.pending_calls import PendingCalls
from sustainml_orchestrator.node.persistence import DiskSpace

_TOPIC = "/diagnostics"
_OK, _WARN, _ERROR, _STALE = (
    DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE,
)  # fmt: skip
#: Time to look: a queue that is full to this share, a step that has used this share of its timeout,
#: a task that waits for so many s, less free space for the journal, a larger log of it (bytes).
_FULL, _LATE, _OLD, _LEAST_FREE, _LARGE_LOG = 0.8, 0.8, 600.0, 500 * 2**20, 64 * 2**20
_NO_ROOM = 2**20  # bytes, with which a disk counts as full
#: A module that came back so often, and was lost within so many s, flaps.
_FLAPS, _RECENT = 3, 600.0
#: Rates are those of the last so many s; so many messages dropped in that time are many.
_WINDOW, _MANY = 60.0, 10

#: Level, message and values of a status.
Judgement = tuple[bytes, str, dict[str, object]]


class _Sample(NamedTuple):
    at: float  #: s, steady
    succeeded: int
    failed: int
    dropped: int


class Diagnostics:
    """Publishes the health of the system.

    Args:
        dropped: messages dropped so far, by reason.
        calls: the pending service calls.
        space: what the journal takes and may take.
    """

    def __init__(
        self, node: RosNode, core: Orchestrator, dropped: Counter[str], calls: PendingCalls,
        space: Callable[[], DiskSpace],
    ) -> None:  # fmt: skip
        self._core = core
        self._dropped = dropped
        self._calls = calls
        self._space = space
        self._samples: deque[_Sample] = deque()
        self._prefix = node.get_fully_qualified_name()
        self._namespace = node.get_namespace()
        self._publisher = node.create_publisher(DiagnosticArray, _TOPIC, 10)

    def publish(self) -> None:
        """Publish all, if anyone listens; called about once a second."""
        self._sample()
        if not self._publisher.get_subscription_count():
            return
        found = [
            self._status("tasks", *self._tasks()),
            self._status("queues", *self._queues()),
            self._status("journal", *self._journal()),
            self._status("dropped messages", *self._drops()),
        ]
        for node in self._core.lifecycle.nodes:
            found += self._module(node)
        message = DiagnosticArray(status=found)
        message.header.stamp = conversions.time_to_msg(self._core.context.stamp)
        self._publisher.publish(message)

    def _status(
        self, name: str, level: bytes, message: str, values: dict[str, object]
    ) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=level,
            name=f"{self._prefix}: {name}",
            message=message,
            hardware_id=self._namespace,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )

    # Rates #

    def _sample(self) -> None:
        """Note the counts, and forget those from before the window."""
        now, store = self._core.context.now, self._core.store
        self._samples.append(
            _Sample(now, store.count(TaskStatus.SUCCEEDED), store.count(TaskStatus.ERROR),
                    sum(self._dropped.values()) + sum(self._core.reports.dropped.values()))
        )  # fmt: skip
        while len(self._samples) > 2 and now - self._samples[1].at >= _WINDOW:
            self._samples.popleft()

    def _lately(self, of: Callable[[_Sample], int]) -> int:
        """By how much a count has grown in the window; 0 when tasks were deleted."""
        return max(0, of(self._samples[-1]) - of(self._samples[0]))

    # The orchestrator #

    def _tasks(self) -> Judgement:
        store = self._core.store
        values: dict[str, object] = {s.name.lower(): store.count(s) for s in TaskStatus}
        del values["returned"]
        succeeded = self._lately(lambda sample: sample.succeeded)
        failed = self._lately(lambda sample: sample.failed)
        values |= {
            "succeeded in the last minute": succeeded, "failed in the last minute": failed,
            "problems": len(store.problems), "payloads (B)": store.payload_bytes,
        }  # fmt: skip
        late = self._late_steps()
        values |= {f"near its deadline {n}": text for n, text in enumerate(late, 1)}
        reason = self._core.duplicate_check.reason or self._core.lifecycle.reason()
        if reason:
            return _WARN, reason, values
        if late:
            return _WARN, f"{late[0]}; look at its log", values
        if failed:
            return _WARN, f"{failed} tasks failed in the last minute", values
        return _OK, f"ready; {values['running']} run, {values['waiting']} wait", values

    def _late_steps(self) -> list[str]:
        found = []
        for task in self._core.tasks.running.values():
            for step in task.steps:
                spec = self._core.pipeline.modules[step.index]
                if step.state is StepState.RUNNING and step.worked >= _LATE * spec.timeout:
                    took, most = duration(step.worked), duration(spec.timeout)
                    found.append(f"{task.task_id}: {spec.name} works for {took} of at most {most}")
        return found

    def _queues(self) -> Judgement:
        tasks, settings = self._core.tasks, self._core.context.settings
        oldest, waited = tasks.waiting.oldest, 0.0
        if oldest is not None:
            waited = max(0.0, (self._core.context.stamp - oldest.created) * 1e-9)
        waiting, calls = len(tasks.waiting), self._calls.count
        values: dict[str, object] = {
            "waiting tasks": waiting, "waiting tasks, limit": settings.max_waiting_tasks,
            "running tasks": len(tasks.running), "running tasks, limit": settings.max_active_tasks,
            "pending calls": calls, "pending calls, limit": self._calls.limit,
            "oldest waits (s)": f"{waited:.1f}",
        }  # fmt: skip
        for name, count, limit in (("tasks wait", waiting, settings.max_waiting_tasks),
                                   ("calls are pending", calls, self._calls.limit)):  # fmt: skip
            if count >= limit:
                return _ERROR, f"full: {count} {name}; new ones are refused", values
            if count >= _FULL * limit:
                return _WARN, f"nearly full: {count} {name} of at most {limit}", values
        if waited > _OLD:
            return _WARN, f"{waiting} tasks wait, the first for {duration(waited)}", values
        return _OK, f"{waiting} tasks wait, {calls} calls are pending", values

    def _journal(self) -> Judgement:
        persistence, (free, size, log, place) = self._core.persistence, self._space()
        if not persistence.enabled:
            return _OK, "none: the database is in memory only", {}
        values: dict[str, object] = {"commits": persistence.settled}
        values |= {"size (B)": size, "write-ahead log (B)": log}
        if math.isfinite(free):
            values["free space (MiB)"] = f"{free / 2**20:.0f}"
        if persistence.failed:
            return _ERROR, persistence.failed, values
        if free < _LEAST_FREE:
            text = f"the disk of journal {place} has {free / 2**20:.0f} MiB left; make room"
            return (_ERROR if free < _NO_ROOM else _WARN), text, values
        if log > _LARGE_LOG:
            text = f"the write-ahead log of journal {place} has grown to {log / 2**20:.0f} MiB; "
            text += f"end the program that reads the journal: fuser {place}"
            return _WARN, text, values
        return _OK, "is written", values

    def _drops(self) -> Judgement:
        dropped = self._dropped + self._core.reports.dropped
        values: dict[str, object] = dict(sorted(dropped.items()))
        lately = self._lately(lambda sample: sample.dropped)
        if lately >= _MANY:
            return _WARN, f"{lately} messages were dropped in the last minute", values
        return _OK, f"{sum(dropped.values())} messages were dropped", values

    # The modules #

    def _module(self, node: Node) -> Iterator[DiagnosticStatus]:
        """One status for each of its processes; of several with one name, the one that lives."""
        shown: dict[str, Instance] = {}
        for instance in node.instances.values():
            if instance.responsive or instance.name not in shown:
                shown[instance.name] = instance
        if not shown:
            values: dict[str, object] = {"module": node.name}
            yield self._status(node.name, _STALE, node.describe(self._core.context.now), values)
        for name, instance in shown.items():
            short = name.removeprefix(f"{self._namespace.rstrip('/')}/")
            level, message = self._judge(node, instance)
            yield self._status(short, level, message, self._values(node, instance))

    def _judge(self, node: Node, instance: Instance) -> tuple[bytes, str]:
        now, status = self._core.context.now, instance.status
        live = sum(each.responsive for each in node.instances.values())
        if not node.active:
            level = _WARN
            if not instance.responsive:
                level = _STALE
            elif status is NodeStatus.ERROR:
                level = _ERROR
            return level, node.describe(now)
        if not instance.responsive:
            silence = duration(now - instance.last_seen)
            return _STALE, f"no heartbeat for {silence}; {live} other processes work"
        if status is NodeStatus.ERROR:
            return _ERROR, instance.error_description
        if status not in ACTIVE_NODES:
            return _WARN, f"{status.name}; {live - 1} other processes work"
        lost = (self._core.context.stamp - node.last_loss_stamp) * 1e-9
        if node.restarts >= _FLAPS and lost < _RECENT:
            ago = duration(max(0.0, lost))
            return _WARN, f"does not stay up: {node.restarts} restarts, last lost {ago} ago"
        if live > 1 and not node.addressed:
            return _WARN, f"{live} processes do the same; the first output of a step wins"
        return _OK, status.name

    def _values(self, node: Node, instance: Instance) -> dict[str, object]:
        now, process = self._core.context.now, instance.process
        steps = [task.steps[node.spec.index] for task in self._core.tasks.running.values()]
        held = [s for s in steps if s.state in OPEN_STEPS
                and process in (*s.processes, s.assigned)]  # fmt: skip
        longest = max((s.worked for s in held if s.state is StepState.RUNNING), default=0.0)
        return {
            "module": node.name,
            "status": instance.status.name,
            "desired": "active" if node.desired_active else "inactive",
            "held tasks": len(held),
            "finished tasks": instance.finished_tasks,
            "longest step at present (s)": f"{longest:.1f}",
            "timeout of a step (s)": f"{node.spec.timeout:g}",
            "silent for (s)": f"{max(0.0, now - instance.last_seen):.1f}",
            "resets of the module": node.recovery.resets,
            "restarts of the module": node.restarts,
            "error": instance.error_description,
        }
