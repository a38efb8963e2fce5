"""A front-end that keeps so many tasks in flight, and sees to it that all end as they must."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from rclpy.serialization import deserialize_message
from sustainml_msgs.msg import NodeStatus, TaskSummary, UserInput
from sustainml_msgs.srv import StartTask

from bench import relay, work
from bench.processes import Processes
from bench.waiting import Waiter
from sustainml_orchestrator.contract import names

#: Where a serialized TaskSummary has its status, and its description.
_STATUS_AT = 44
_DESCRIPTION = slice(80, 80 + work.DIGITS)
_RUNNING = (NodeStatus.TASK_WAITING, NodeStatus.TASK_RUNNING)
#: A task is lost when none ends for so long, in s.
_PATIENCE = 30.0
#: Requests on their way; more than a service has room for are lost.
_PENDING = names.SERVICE_QOS.depth
#: Ends of tasks after which a run has settled, or as many as are in flight.
_SETTLED = 250


@dataclass
class Load:
    """What came of a run.

    Attributes:
        latencies: from submission to the update that tells the end, in s, of all tasks.
        rate: tasks that ended within the window, per s.
        cpu: of all processes of the system, in s per task.
        submitted: all of them.
        lost: those of which no end was heard.
    """

    latencies: list[float] = field(default_factory=list)
    rate: float = 0.0
    cpu: float = 0.0
    submitted: int = 0
    lost: int = 0


class Client:
    """Submits tasks and hears of their end; one for the reference, `OurClient` for ours.

    Args:
        processes: of the system.
        namespace, domain: where it is.
    """

    def __init__(self, processes: Processes, namespace: str, domain: int | None = None) -> None:
        self.processes = processes
        self.waiter = Waiter(namespace, domain)
        self._numbers = count(1)
        self._sent: dict[int, float] = {}
        self._ended: list[tuple[int, float]] = []
        self._summaries: dict[int, bytes] = {}
        self.waiter.listen(TaskSummary, names.TASK_UPDATES, names.TASK_UPDATES_QOS, self._on_update)
        self._connect()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.waiter.close()

    def _connect(self) -> None:
        self._task = work.user_input(0)
        self._tasks = self.waiter.node.create_publisher(UserInput, relay.TASK, names.DATA_QOS)

    def _submit(self, number: int) -> None:
        self._task.task_id.problem_id = number
        self._task.problem_short_description = work.text(number)
        self._tasks.publish(self._task)

    def _check(self, number: int, summary: TaskSummary) -> None:
        """The relays pass on what they get; that it came is all."""

    def _settled(self) -> bool:
        """Whether nothing is owed to us but the ends of tasks."""
        return True

    def _on_update(self, data: bytes) -> None:
        if data[_STATUS_AT] in _RUNNING:
            return
        number = int(data[_DESCRIPTION])
        if number in self._sent:
            self._ended.append((number, time.perf_counter()))
            self._summaries[number] = data

    def _send(self) -> None:
        number = next(self._numbers)
        self._sent[number] = time.perf_counter()
        self._submit(number)

    def wait_until_answered(self, timeout: float = 60.0) -> None:
        """Until tasks come back: all processes have found each other.

        Raises:
            RuntimeError: they do not.
        """
        deadline = time.monotonic() + timeout
        in_a_row = 0
        while in_a_row < 20:
            if time.monotonic() > deadline:
                raise RuntimeError("no task comes to its end")
            self._send()
            in_a_row = in_a_row + 1 if self._drain(0.3, []) else 0
            self._forget()

    def run(self, in_flight: int, window: float, tasks: float = math.inf) -> Load:
        """Keep so many tasks in flight for a window (s), or until so many were submitted.

        The window opens when the pipeline is full and the first burst has been taken in.

        Raises:
            RuntimeError: a result is wrong.
        """
        load, used = Load(submitted=in_flight), self.processes.cpu_seconds()
        for _ in range(in_flight):
            self._send()
        settled = min(in_flight, _SETTLED)
        opened, before, last = math.inf, 0, time.perf_counter()
        while (now := time.perf_counter()) < opened + window and load.submitted < tasks:
            if opened == math.inf and len(load.latencies) >= settled:
                opened, before = now, len(load.latencies)
            self.waiter.turn(_PATIENCE)
            ended = self._take_ended()
            if not ended and now > last + _PATIENCE:
                break
            last = now if ended else last
            for _ in ended:
                self._send()
            load.submitted += len(ended)
            load.latencies += ended
        load.rate = (len(load.latencies) - before) / (time.perf_counter() - opened)
        self._drain(_PATIENCE, load.latencies)
        load.cpu = (self.processes.cpu_seconds() - used) / load.submitted
        load.lost = len(self._sent)
        for number, data in self._summaries.items():
            self._check(number, deserialize_message(data, TaskSummary))
        self._forget()
        return load

    def _take_ended(self) -> list[float]:
        """Latencies of the tasks that ended since it was last asked."""
        ended, self._ended = self._ended, []
        return [at - self._sent.pop(number) for number, at in ended if number in self._sent]

    def _drain(self, timeout: float, latencies: list[float]) -> bool:
        """Wait for the tasks in flight; whether all came, with no longer gap than this (s)."""
        last = time.monotonic()
        while self._sent or not self._settled():
            if ended := self._take_ended():
                latencies += ended
                last = time.monotonic()
            elif time.monotonic() > last + timeout:
                return False
            else:
                self.waiter.turn(min(timeout, 0.05))
        return True

    def _forget(self) -> None:
        self._sent.clear()
        self._ended.clear()
        self._summaries.clear()


class OurClient(Client):
    """Asks the orchestrator, by its service."""

    def _connect(self) -> None:
        self._asked: dict[int, int] = {}
        self._task_ids: dict[int, tuple[int, int]] = {}
        self._request = StartTask.Request(user_input=work.user_input(0))
        self._start = self.waiter.client(
            StartTask, names.service("start_task"), self._on_response
        ).handle

    def _submit(self, number: int) -> None:
        while len(self._asked) >= _PENDING:
            self.waiter.turn(1.0)
        self._request.user_input.problem_short_description = work.text(number)
        self._asked[self._start.send_request(self._request)] = number

    def _on_response(self, sequence: int, response: Any) -> None:
        if not response.success:
            raise RuntimeError(f"a task was refused: {response.message}")
        if (number := self._asked.pop(sequence, None)) is not None:  # not given up meanwhile
            self._task_ids[number] = (response.task_id.problem_id, response.task_id.iteration_id)

    def _settled(self) -> bool:
        return not self._asked

    def _check(self, number: int, summary: TaskSummary) -> None:
        work.check(number, summary)
        if self._task_ids[number] != (summary.task_id.problem_id, summary.task_id.iteration_id):
            raise RuntimeError(f"task {number} is {self._task_ids[number]}, but {summary.task_id}")

    def _forget(self) -> None:
        super()._forget()
        self._asked.clear()
        self._task_ids.clear()
