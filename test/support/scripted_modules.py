"""A scripted orchestrator: sends what a test says, hears everything, decides nothing."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter_client import AsyncParameterClient
from sustainml_msgs.msg import NodeControl, NodeStatus, TaskId
from sustainml_msgs.srv import Configure, GetInputs

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.core.ids import NodeCommand, TaskCommand, TaskStatus
from sustainml_orchestrator.core.ids import NodeStatus as Status
from sustainml_orchestrator.sdk.module_spec import BASELINES, CONSUMED, TYPES, USER_INPUT

#: Arguments for the process of a module that choose its isolation.
Isolation = tuple[str, str]

AUTHORS = Path(__file__).with_name("authors.py")
SESSION = 42
#: Tasks that no test uses.
GREETING = (4_000_000_000, 1)
EXERCISE = (4_000_000_001, 2)
#: Longest wait for anything, s: generous, as machines may be slow.
PATIENCE = 30.0


def token_of(attempt: int) -> int:
    """The token of an attempt at any task, unless another is given."""
    return 700 + attempt


class ScriptedOrchestrator:
    """One framework in a namespace of its own, with the module processes of one test."""

    def __init__(self, namespace: str, folder: Path) -> None:
        self.namespace = namespace
        self.notes = folder / "notes.txt"
        self.notes.touch()
        self.session = SESSION
        self.statuses: list[NodeStatus] = []
        self.outputs: list[Any] = []
        self.owed: dict[tuple[int, int], GetInputs.Response] = {}
        self.asked: list[GetInputs.Request] = []
        self.processes: list[subprocess.Popen] = []
        self._commands = 0
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = Node("orchestrator", namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._publishers = {name: self._publisher(name) for name in TYPES}
        for name in BASELINES:
            self._publishers[f"baseline/{name}"] = self._publisher(name, baseline=True)
        self._control = self._node.create_publisher(NodeControl, names.CONTROL, names.CONTROL_QOS)
        self._node.create_subscription(
            NodeStatus, names.STATUS, self.statuses.append, names.STATUS_QOS
        )
        self._service = self._node.create_service(
            GetInputs,
            names.service("get_inputs"),
            self._get_inputs,
            qos_profile=names.SERVICE_QOS,
        )

    def _publisher(self, module: str, *, baseline: bool = False) -> Any:
        topic = names.USER_INPUT if module == USER_INPUT else names.output_topic(module)
        if baseline:
            topic = names.baseline_topic(module)
        return self._node.create_publisher(TYPES[module], topic, names.DATA_QOS)

    # Modules #

    def launch(
        self,
        author: str,
        *ros_args: str,
        script: Path = AUTHORS,
        module: str = "app_requirements",
        type_: type | None = None,
        **environment: str,
    ) -> subprocess.Popen:
        """Start a module process, and wait until it hears and is heard."""
        command = [sys.executable, str(script), *([author] if author else [])]
        command += ["--ros-args", "-r", f"__ns:={self.namespace}", *ros_args]
        environment = {**os.environ, "NOTES": str(self.notes), **environment}
        process = subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE)
        self.processes.append(process)
        self._node.create_subscription(
            type_ or TYPES[module],
            names.output_topic(module),
            self.outputs.append,
            names.DATA_QOS,
        )
        self.until(lambda: self._connected(process), f"{module} to connect")
        return process

    def _connected(self, process: subprocess.Popen) -> bool:
        """Greet the module: what is sent to one that has just appeared may be lost."""
        assert process.poll() is None, "the module ended"
        self.order(task=TaskCommand.STOP, task_id=GREETING)
        self.listen(0.1)
        return bool(self.of(GREETING))

    def parameters(self, module: str = "app_requirements") -> AsyncParameterClient:
        """The ROS parameters of a module node."""
        client = AsyncParameterClient(self._node, f"{self.namespace}/{module}")
        self.until(client.services_are_ready, "the parameters")
        return client

    def answer(self, future: Any) -> Any:
        """The result of a call."""
        self.until(future.done, "an answer")
        return future.result()

    def start(
        self, author: str, *ros_args: str, inputs: tuple[str, ...] = (), **more: Any
    ) -> subprocess.Popen:
        """Launch a module, bring it to IDLE, and see that its inputs arrive."""
        process = self.launch(author, *ros_args, **more)
        self.order(node=NodeCommand.START)
        self.await_node(Status.IDLE)
        module = more.get("module", "app_requirements")
        inputs = inputs or CONSUMED[module]
        if module == "ml_model_provider":
            inputs += tuple(f"baseline/{name}" for name in BASELINES)
        attempts = itertools.count(1)
        self.until(lambda: self._worked(inputs, next(attempts)), "inputs to arrive")
        self.await_node(Status.IDLE)
        self.outputs.clear()
        return process

    def _worked(self, inputs: tuple[str, ...], attempt: int) -> bool:
        fields = {"user_input": {"modality": "work"}, "ml_model_provider": {"model": "any"}}
        for name in inputs:
            self.send(name, EXERCISE, attempt=attempt, **fields.get(name, {}))
        self.listen(0.2)
        ended = {TaskStatus.SUCCEEDED, TaskStatus.ERROR} & set(self.course(EXERCISE))
        delivered = any(output.task_id.problem_id == EXERCISE[0] for output in self.outputs)
        return bool(ended) and (delivered or TaskStatus.ERROR in ended)

    def close(self) -> None:
        """End everything."""
        # This node first: Fast DDS may crash when a node is destroyed while its peers leave.
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            sys.stderr.write(process.communicate()[1])  # shown when a test fails

    # What it sends #

    def order(
        self,
        *,
        node: NodeCommand = NodeCommand.NONE,
        task: TaskCommand = TaskCommand.NONE,
        task_id: tuple[int, int] = (0, 0),
        attempt: int = 1,
        try_number: int = 1,
        **fields: Any,
    ) -> int:
        """Send a command; return its id."""
        self._commands += 1
        token = token_of(attempt) if any(task_id) else 0
        fields = {
            "command_id": self._commands, "session": self.session, "token": token, **fields,
        }  # fmt: skip
        self._control.publish(
            NodeControl(
                task_id=TaskId(problem_id=task_id[0], iteration_id=task_id[1]),
                attempt=attempt,
                cmd_node=int(node),
                cmd_task=int(task),
                try_number=try_number,
                **fields,
            )
        )
        return fields["command_id"]

    def send(self, name: str, task_id: tuple[int, int], *, attempt: int = 1, **fields: Any) -> None:
        """Publish an input of a task: user_input, the output of a module, or a baseline."""
        module = name.removeprefix("baseline/")
        publisher = self._publishers[name]
        self.until(publisher.get_subscription_count, f"a reader of {publisher.topic}")
        publisher.publish(self.message(module, task_id, attempt, **fields))

    def send_bytes(self, name: str, data: bytes) -> None:
        """Publish any bytes as an input of a task, or as a command."""
        publisher = self._control if name == names.CONTROL else self._publishers[name]
        publisher.publish(data)

    def message(self, module: str, task_id: tuple[int, int], attempt: int, **fields: Any) -> Any:
        """Make a message of the pipeline."""
        return TYPES[module](
            task_id=TaskId(problem_id=task_id[0], iteration_id=task_id[1]),
            attempt=attempt,
            **{"session": self.session, "token": token_of(attempt), **fields},
        )

    def task(self, task_id: tuple[int, int], what: str, detail: str = "", **more: Any) -> None:
        """Give ``Playful`` something to do."""
        self.send("user_input", task_id, modality=what, problem_definition=detail, **more)

    def owe(
        self, task_id: tuple[int, int], *, attempt: int = 1, try_number: int = 1, **user: Any
    ) -> None:
        """Have the inputs of a task ready to be fetched."""
        response = GetInputs.Response(success=True, try_number=try_number)
        response.user_input = self.message("user_input", task_id, attempt, **user)
        self.owed[task_id] = response

    def configure(self, text: str, module: str = "app_requirements") -> Configure.Response:
        """Call the configure service of a module."""
        client = self._node.create_client(
            Configure, names.configure_service(module), qos_profile=names.SERVICE_QOS
        )
        self.until(client.service_is_ready, "the configure service")
        future = client.call_async(Configure.Request(transaction_id=77, configuration=text))
        self.until(future.done, f"an answer to {text!r}")
        self._node.destroy_client(client)
        return future.result()

    def hand_out_nothing(self) -> None:
        """Have no get_inputs service, as if the orchestrator were gone."""
        self._node.destroy_service(self._service)

    def _get_inputs(
        self, request: GetInputs.Request, response: GetInputs.Response
    ) -> GetInputs.Response:
        self.asked.append(request)
        task_id = (request.task_id.problem_id, request.task_id.iteration_id)
        if task_id in self.owed:
            return self.owed[task_id]
        response.error_code, response.message = 6, "nothing is owed"
        return response

    # What it hears #

    def until(self, condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
        """Go on until something is so; return it."""
        deadline = time.monotonic() + patience
        while not (result := condition()):
            heard = [(_brief(status)) for status in self.statuses[-20:]]
            assert time.monotonic() < deadline, f"waited in vain for {what}; heard {heard}"
            self._executor.spin_once(timeout_sec=0.02)
        return result

    def listen(self, seconds: float) -> None:
        """Hear what comes within a time, for what must not come."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.02)

    def await_node(self, status: Status, patience: float = PATIENCE) -> NodeStatus:
        """Wait until the latest word of the module is that it is in this state."""
        self.until(
            lambda: self.statuses and self.statuses[-1].node_status == status,
            f"node status {status.name}",
            patience,
        )
        return self.statuses[-1]

    def await_task(
        self,
        task_id: tuple[int, int],
        status: TaskStatus,
        *,
        count: int = 1,
        patience: float = PATIENCE,
    ) -> NodeStatus:
        """Wait for a status of a task, or for as many of them; return the last."""

        def heard() -> NodeStatus | None:
            found = [one for one in self.of(task_id) if one.task_status == status]
            return found[-1] if len(found) >= count else None

        return self.until(heard, f"{count} x {status.name} of {task_id}", patience)

    def of(self, task_id: tuple[int, int]) -> list[NodeStatus]:
        """All statuses of a task, as they came."""
        return [
            status
            for status in self.statuses
            if (status.task_id.problem_id, status.task_id.iteration_id) == task_id
        ]

    def course(self, task_id: tuple[int, int]) -> list[TaskStatus]:
        """Which statuses a task had, in order."""
        return [TaskStatus(status.task_status) for status in self.of(task_id)]

    def output(self, task_id: tuple[int, int]) -> Any:
        """Wait for the output of a task; return the latest."""

        def found() -> Any:
            for output in reversed(self.outputs):
                if (output.task_id.problem_id, output.task_id.iteration_id) == task_id:
                    return output
            return None

        return self.until(found, f"the output of {task_id}")

    def noted(self) -> list[str]:
        """What the author's code wrote down."""
        notes = self.notes.read_text(encoding="utf-8").splitlines()
        return [note for note in notes if f" {EXERCISE[0]}/" not in note]

    def await_note(self, begin: str) -> None:
        """Wait until the author's code has written down what begins so.

        A task is reported as running a moment before its code is.
        """
        self.until(lambda: any(note.startswith(begin) for note in self.noted()), begin)


def _brief(status: NodeStatus) -> tuple:
    ids = (status.task_id.problem_id, status.task_id.iteration_id)
    return ids, status.node_status, status.task_status, status.error_description


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except (FileNotFoundError, ProcessLookupError):  # it ended before, or while, it was read
        return False
    return state.split()[0] != "Z"


def descendants(pid: int) -> list[int]:
    """All processes started by a process, directly or not."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [one for child in map(int, text.split()) for one in (child, *descendants(child))]
