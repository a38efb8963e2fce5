"""The six modules played by one process, which sends what was serialized before.

An SDK module takes longer to work on a task than the orchestrator to hear of it. Played from
templates, of which only ids and a few digits change, one core keeps the orchestrator busy.
"""

from __future__ import annotations

import struct
import time
from typing import Any

from rclpy.serialization import deserialize_message, serialize_message
from sustainml_msgs.msg import NodeStatus, SystemState, UserInput
from sustainml_msgs.srv import GetTask, ListTasks, StartTask

from bench import work
from bench.asking import Asker
from bench.waiting import Waiter
from sustainml_orchestrator.contract import names

#: Of a task: RUNNING, the output and SUCCEEDED of six modules.
MESSAGES_PER_TASK = 3 * len(work.TYPES)
#: Parameters of the orchestrator under which modules may stay silent between two runs.
PATIENT = {"heartbeat_timeout": 86400.0, "ack_timeout": 86400.0}
_IDS = slice(4, 24)
_PROBLEM = struct.Struct("<I")
_NUMBER = 1_234_567_890
_PENDING = 50
_PAGE = 500


class Template:
    """A serialized message with gaps for the ids, and for what it is about."""

    def __init__(self, message: Any, mark: bytes = b"") -> None:
        data = serialize_message(message)
        at = data.index(mark, _IDS.stop) if mark else len(data)
        self._head, self._middle = data[: _IDS.start], data[_IDS.stop : at]
        self._tail = data[at + len(mark) :]
        self.size = len(data)

    def fill(self, ids: bytes, about: bytes = b"") -> bytes:
        """The message for a task; `about` is as long as the mark."""
        return b"".join((self._head, ids, self._middle, about, self._tail))


class Part:
    """What one module says of a task."""

    def __init__(self, module: str, author: str) -> None:
        self.module = module
        status = NodeStatus(node_name=module, instance=author, incarnation=7, try_number=1)
        status.header.frame_id = author
        status.node_status = NodeStatus.NODE_IDLE
        self.idle = serialize_message(status)
        status.node_status = NodeStatus.NODE_RUNNING
        status.task_status = NodeStatus.TASK_RUNNING
        self.running = Template(status)
        status.task_status = NodeStatus.TASK_SUCCEEDED
        self.succeeded = Template(status)
        output = work.answer(module, work.text(_NUMBER))
        output.header.frame_id = author
        self._is_number = module == work.LAST
        self.output = Template(output, self._encode(_NUMBER))

    def _encode(self, number: int) -> bytes:
        return struct.pack("<d", number) if self._is_number else work.text(number).encode()

    def answer(self, ids: bytes) -> bytes:
        """The output for the task of these ids; it is about the number of its problem."""
        return self.output.fill(ids, self._encode(*_PROBLEM.unpack_from(ids)))


class Puppets:
    """Plays all modules of an orchestrator, and submits what they work on.

    Args:
        namespace: of the orchestrator, which is PATIENT.
    """

    def __init__(self, namespace: str) -> None:
        self.waiter = Waiter(namespace)
        node = self.waiter.node
        self.status = node.create_publisher(NodeStatus, names.STATUS, names.STATUS_QOS)
        self.outputs = {
            module: node.create_publisher(kind, names.output_topic(module), names.DATA_QOS)
            for module, kind in work.TYPES.items()
        }
        self.parts = {module: Part(module, f"{namespace}/{module}") for module in work.TYPES}
        self.submitted = 0
        self._due: list[bytes] = []
        self._pending = 0
        self._ready = False
        self.waiter.listen(UserInput, names.USER_INPUT, names.DATA_QOS, self._on_task)
        self.waiter.listen(SystemState, names.SYSTEM_STATE, names.SYSTEM_STATE_QOS, self._on_state)
        self._start = self.waiter.client(
            StartTask, names.service("start_task"), self._on_response
        ).handle
        self._request = StartTask.Request(user_input=work.user_input(0))
        self._asker = Asker()
        self._list = self._client(ListTasks, namespace, "list_tasks")
        self._get = self._client(GetTask, namespace, "get_task")

    def __enter__(self) -> Puppets:
        self.come_up()
        return self

    def __exit__(self, *_: object) -> None:
        self._asker.__exit__()
        self.waiter.close()

    def _client(self, kind: type, namespace: str, service: str) -> Any:
        return self._asker.client(kind, f"{namespace}/{names.service(service)}")

    def come_up(self, timeout: float = 30.0) -> None:
        """Report all modules idle until the orchestrator is ready.

        Raises:
            TimeoutError: it does not become ready.
        """
        deadline = time.monotonic() + timeout
        while not self._ready:
            if time.monotonic() > deadline:
                raise TimeoutError("the orchestrator does not become ready")
            for part in self.parts.values():
                self.status.publish(part.idle)
            self.waiter.turn(0.2)

    def submit(self, tasks: int) -> None:
        """Submit so many; nobody works on them yet."""
        last = self.submitted + tasks
        while self.submitted < last or self._pending:
            while self.submitted < last and self._pending < _PENDING:
                self.submitted += 1
                self._pending += 1
                text = work.text(self.submitted)
                self._request.user_input.problem_short_description = text
                self._start.send_request(self._request)
            self.waiter.turn(1.0)

    def play(self, tasks: int) -> None:
        """Do the work of so many tasks, as they are handed out; in waves, module by module."""
        played = 0
        while played < tasks:
            while not self._due:
                self.waiter.turn(10.0)
            due, self._due = self._due, []
            for module in self.parts:
                for ids in due:
                    self.say(module, ids)
            played += len(due)

    def say(self, module: str, ids: bytes) -> None:
        """All that a module says of a task."""
        part = self.parts[module]
        self.status.publish(part.running.fill(ids))
        self.outputs[module].publish(part.answer(ids))
        self.status.publish(part.succeeded.fill(ids))

    def take_task(self) -> bytes:
        """The ids of a task that was handed out."""
        while not self._due:
            self.waiter.turn(10.0)
        return self._due.pop()

    def wait_until_succeeded(self, timeout: float = 60.0) -> None:
        """Until all tasks that were submitted have succeeded.

        Raises:
            TimeoutError: they do not.
        """
        request = ListTasks.Request(limit=1, task_statuses=[NodeStatus.TASK_SUCCEEDED])
        deadline = time.monotonic() + timeout
        while self._asker.call(self._list, request).total < self.submitted:
            if time.monotonic() > deadline:
                raise TimeoutError("not all tasks succeed")
            time.sleep(0.005)

    def check_all(self) -> None:
        """Look at each result.

        Raises:
            RuntimeError: one is wrong.
        """
        for offset in range(0, self.submitted, _PAGE):
            page = self._asker.call(self._list, ListTasks.Request(offset=offset, limit=_PAGE))
            for number, summary in enumerate(page.tasks, offset + 1):
                work.check(number, summary)

    def get_task(self, ids: bytes, include_binary: bool) -> tuple[float, Any]:
        """How long it takes to get a task, in s, and the task."""
        request = GetTask.Request(include_binary=include_binary)
        request.task_id.problem_id = _PROBLEM.unpack_from(ids)[0]
        began = time.perf_counter()
        response = self._asker.call(self._get, request)
        return time.perf_counter() - began, response.task

    def _on_task(self, data: bytes) -> None:
        self._due.append(data[_IDS])

    def _on_state(self, data: bytes) -> None:
        self._ready = deserialize_message(data, SystemState).ready

    def _on_response(self, sequence: int, response: Any) -> None:
        self._pending -= 1
        if not response.success:
            raise RuntimeError(f"a task was refused: {response.message}")
