"""Messages per second that the orchestrator digests, beside a bare subscriber."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from rclpy.serialization import serialize_message
from sustainml_msgs.msg import NodeStatus, TaskSummary

from bench.asking import fresh_namespace
from bench.bare_subscriber import Counter
from bench.figure import Figure, Run
from bench.processes import Processes, cpu_seconds, python
from bench.puppets import MESSAGES_PER_TASK, PATIENT, Puppets
from bench.systems import orchestrator_program
from bench.waiting import Waiter
from sustainml_orchestrator.contract import names
from sustainml_orchestrator.processes.programs import Program

#: Share of a window for one run of one of them.
_SHARE = 0.4
#: Tasks of the run that tells how many fit into a window, and the most that may wait.
_FIRST, _MOST = 200, 2_000
#: Messages on their way: of as many tasks as the orchestrator works on at a time.
_AHEAD = 100 * MESSAGES_PER_TASK


class Rate(NamedTuple):
    """Of one run.

    Attributes:
        messages: per s.
        cpu: of the process that takes them, in µs per message.
    """

    messages: float
    cpu: float


def measure(runs: int, window: float, full: bool) -> Iterator[Figure]:
    """All messages of real tasks, from the first to the success of the last task."""
    window *= _SHARE
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ours = stack.enter_context(_Orchestrator())
        kept = stack.enter_context(_Orchestrator(journal_path=f"{folder}/journal.db"))
        bare = stack.enter_context(_Bare(ours.puppets))
        rounds = [
            (ours.run(window), bare.run(window), kept.run(window), ours.run(window, heard=True))
            for _ in range(runs)
        ]
        for one in (ours, kept):
            one.puppets.check_all()

    def pairs(of: Callable[[Rate], float], which: int, reference: int) -> list[Run]:
        return [Run(of(one[which]), of(one[reference])) for one in rounds]

    unit = "messages/s"
    yield Figure("digestion", unit, 1.0, "higher", pairs(_messages, 0, 1))
    yield Figure("digestion, journal", unit, 0.85, "higher", pairs(_messages, 2, 0))
    yield Figure("digestion, a front-end listens", unit, None, "higher", pairs(_messages, 3, 1))
    yield Figure("digestion, CPU per message", "µs", None, "lower", pairs(_cpu, 0, 1))


def _messages(rate: Rate) -> float:
    return rate.messages


def _cpu(rate: Rate) -> float:
    return rate.cpu


class _Orchestrator:
    """The real one, fed by puppets."""

    def __init__(self, **parameters: object) -> None:
        self._namespace = fresh_namespace()
        program = orchestrator_program(self._namespace, **PATIENT, **parameters)
        self._processes = Processes([program])
        self._tasks = 0
        self._stack = ExitStack()

    def __enter__(self) -> _Orchestrator:
        self._stack.enter_context(self._processes)
        self.puppets = self._stack.enter_context(Puppets(self._namespace))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, window: float, heard: bool = False) -> Rate:
        """Submit what fills a window (s), then let the puppets work on it.

        Args:
            heard: whether someone subscribes to the updates.
        """
        if not self._tasks:
            first = self._run(_FIRST).messages / MESSAGES_PER_TASK
            self._tasks = round(min(_MOST, max(_FIRST, first * window)))
        if not heard:
            return self._run(self._tasks)
        with _Listener(self._namespace):
            return self._run(self._tasks)

    def _run(self, tasks: int) -> Rate:
        self.puppets.submit(tasks)
        pid = self._processes.pids["orchestrator"]
        used, began = cpu_seconds(pid), time.perf_counter()
        self.puppets.play(tasks)
        self.puppets.wait_until_succeeded()
        took, messages = time.perf_counter() - began, tasks * MESSAGES_PER_TASK
        return Rate(messages / took, 1e6 * (cpu_seconds(pid) - used) / messages)


class _Listener:
    """A subscription to the updates, whose messages nobody takes."""

    def __init__(self, namespace: str) -> None:
        self._waiter = Waiter(namespace)
        self._heard = 0
        self._waiter.listen(
            TaskSummary, names.TASK_UPDATES, names.TASK_UPDATES_QOS, lambda data: None
        )

    def __enter__(self) -> _Listener:
        deadline = time.monotonic() + 30.0
        while not self._waiter.node.count_publishers(names.TASK_UPDATES):
            if time.monotonic() > deadline:
                raise TimeoutError("no publisher of task updates")
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._waiter.close()


class _Bare:
    """The reference, which gets messages of the same sizes in the same order."""

    def __init__(self, puppets: Puppets) -> None:
        folder = self._folder = tempfile.TemporaryDirectory()
        topic = f"{fresh_namespace()}/flood"
        file = Path(folder.name) / "counter"
        self._counter = Counter(file)
        self._sent = 0
        command = python("bench.bare_subscriber", "NodeStatus", topic, str(file))
        self._processes = Processes([Program("bare", command)])
        parts = puppets.parts.values()
        sizes = [t.size for p in parts for t in (p.running, p.output, p.succeeded)]
        self._messages = [_of_size(size) for size in sizes]
        self._waiter = Waiter("/")
        self._publisher = self._waiter.node.create_publisher(NodeStatus, topic, names.STATUS_QOS)

    def __enter__(self) -> _Bare:
        self._processes.__enter__()
        self._processes.wait_until(lambda: self._publisher.get_subscription_count() == 1)
        self._send(_FIRST)
        self._wait_for(0)
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.__exit__()
        self._waiter.close()
        self._folder.cleanup()

    def run(self, window: float) -> Rate:
        """As many as it takes within a window (s)."""
        pid = self._processes.pids["bare"]
        used, began, before = cpu_seconds(pid), time.perf_counter(), self._sent
        while time.perf_counter() < began + window:
            self._send(10)
        self._wait_for(0)
        took, messages = time.perf_counter() - began, self._sent - before
        return Rate(messages / took, 1e6 * (cpu_seconds(pid) - used) / messages)

    def _send(self, tasks: int) -> None:
        """The messages of so many tasks, without getting further ahead than with tasks."""
        for _ in range(tasks):
            self._wait_for(_AHEAD)
            for message in self._messages:
                self._publisher.publish(message)
            self._sent += len(self._messages)

    def _wait_for(self, ahead: int) -> None:
        deadline = time.monotonic() + 10.0
        while self._sent - self._counter.value > ahead:
            if time.monotonic() > deadline:
                raise TimeoutError("the bare subscriber has lost messages")
            time.sleep(0.0002)


def _of_size(size: int) -> bytes:
    """A status of so many bytes."""
    empty = len(serialize_message(NodeStatus()))
    return bytes(serialize_message(NodeStatus(error_description="x" * (size - empty))))
