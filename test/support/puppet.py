"""Modules that do nothing by themselves: a test speaks for them, and sees all that is said.

Written from the interface alone, with bare rclpy, as a foreign implementation would be; it never
echoes the ids of commands. `Framework` joins it with the process of an orchestrator.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from unittest.mock import patch

import rclpy
import sustainml_msgs.srv
import yaml
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from sustainml_msgs import msg
from sustainml_msgs.msg import NodeStatus

from support.system import wait_for
from sustainml_orchestrator.contract.discovery import prefer_profile

DEEP = QoSProfile(depth=5000)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
SERVICES = {
    "start_task": "StartTask",
    "start_iteration": "StartIteration",
    "get_task": "GetTask",
    "list_tasks": "ListTasks",
    "control_task": "ControlTask",
    "delete_problem": "DeleteProblem",
    "get_node_status": "GetNodeStatus",
    "control_node": "ControlNode",
    "configure_node": "ConfigureNode",
    "get_inputs": "GetInputs",
    "compare_iterations": "CompareIterations",
    "get_history": "GetHistory",
}
#: Two modules are a pipeline: what the second takes is what the first gives.
PIPELINE = {
    "first": {"inputs": ["user_input"], "output_type": "MLModel", "max_tries": 2, "baseline": True},
    "second": {"inputs": ["user_input", "first"], "output_type": "CO2Footprint"},
}
TYPES = {"first": msg.MLModel, "second": msg.CO2Footprint}
PATIENCE = 10.0  # s, for what takes milliseconds on an idle machine


class Puppet:
    """A participant that speaks as every module of PIPELINE, and calls as a front-end."""

    def __init__(self, namespace: str) -> None:
        self.context = Context()
        with patch.dict(os.environ):  # child processes choose for themselves
            prefer_profile()  # as the orchestrator; without it discovery may take 3 s a step
            rclpy.init(context=self.context, args=[])
            self.node = rclpy.create_node("puppet", namespace=namespace, context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.heard: dict[str, list[Any]] = {}
        self.status = self.node.create_publisher(NodeStatus, "status", DEEP)
        self.outputs = {
            name: self.node.create_publisher(kind, f"{name}/output", DEEP)
            for name, kind in TYPES.items()
        }
        self.node_status = dict.fromkeys(TYPES, NodeStatus.NODE_IDLE)
        self._listen("control", msg.NodeControl)
        self._listen("user_input", msg.UserInput)
        self._listen("first/baseline", msg.MLModel)
        self._listen("orchestrator/task_updates", msg.TaskSummary)
        self._listen("orchestrator/system_state", msg.SystemState, LATCHED)
        self.clients = {
            name: self.node.create_client(
                getattr(sustainml_msgs.srv, kind), f"orchestrator/{name}", qos_profile=DEEP
            )
            for name, kind in SERVICES.items()
        }
        self.node.create_timer(0.3, self._heartbeat)
        self.executor.add_node(self.node)
        self._ending = False
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _listen(self, topic: str, kind: type, qos: QoSProfile = DEEP) -> None:
        self.heard[topic] = []
        self.node.create_subscription(kind, topic, self.heard[topic].append, qos)

    def _spin(self) -> None:
        while not self._ending:
            self.executor.spin_once(timeout_sec=0.1)

    def _heartbeat(self) -> None:
        for module in TYPES:
            self.say(module)

    def close(self) -> None:
        self._ending = True
        self._thread.join()
        self.node.destroy_node()
        self.executor.shutdown()
        rclpy.shutdown(context=self.context)

    def run(self, call: Callable[[], Any]) -> Any:
        """Have our thread call what rclpy does not permit from another: actions."""
        task = self.executor.create_task(call)
        wait_for(task.done, PATIENCE)
        return task.result()

    # Speaking as a module #

    def say(self, module: str, about: Any = None, task_status: int = 0, **fields: Any) -> None:
        """Publish a status; `about` is a message whose ids to copy."""
        message = NodeStatus(node_name=module, incarnation=7, node_status=self.node_status[module])
        message.instance = message.header.frame_id = f"{self.node.get_namespace()}/{module}"
        message.task_status = task_status
        if about is not None:
            message.try_number = 1
            copy_ids(about, message)
        for name, value in fields.items():
            setattr(message, name, value)
        self.status.publish(message)

    def deliver(self, module: str, about: Any, author: str | None = None, **fields: Any) -> None:
        """Publish an output; its author is the module unless another one is given."""
        message = TYPES[module](**fields)
        copy_ids(about, message)
        ours = f"{self.node.get_namespace()}/{module}"
        message.header.frame_id = ours if author is None else author
        self.outputs[module].publish(message)

    def finish(self, about: Any) -> None:
        """Deliver all that a task needs."""
        self.deliver("first", about, model=f"model {about.task_id.problem_id}")
        self.deliver("second", about, carbon_footprint=float(about.task_id.problem_id))

    # Acting as a front-end #

    def output_of(self, task: Any, module: str) -> Any:
        """What a module of this pipeline delivered, of a task that came with binary fields."""
        (found,) = [output for output in task.extra_outputs if output.node_name == module]
        return deserialize_message(bytes(found.serialized), TYPES[module])

    def call(self, service: str, within: float = PATIENCE, **fields: Any) -> Any:
        """The answer of the orchestrator, whatever it says."""
        future = self.send(service, **fields)
        wait_for(future.done, within, f"{service} was not answered")
        return future.result()

    def send(self, service: str, **fields: Any) -> Any:
        request = getattr(sustainml_msgs.srv, SERVICES[service]).Request(**fields)
        return self.clients[service].call_async(request)

    def start(self, text: str = "a problem", **fields: Any) -> Any:
        """A new task as its modules see it: the user input with all ids."""
        user_input = msg.UserInput(problem_definition=text, **fields)
        answer = self.call("start_task", user_input=user_input)
        assert answer.success, answer.message
        return self.input_of(answer.task_id)

    def input_of(self, task_id: msg.TaskId, attempt: int = 1) -> Any:
        """What was published as user input of a task."""

        def find() -> list[Any]:
            heard = list(self.heard["user_input"])
            return [m for m in heard if m.task_id == task_id and m.attempt == attempt]

        wait_for(find, PATIENCE, f"no user_input of {task_id}")
        return find()[0]

    def summary(self, about: Any) -> Any:
        return self.call("get_task", task_id=about.task_id).task.summary

    def until_status(self, about: Any, task_status: int) -> Any:
        def show() -> str:
            last = (self.summary(about), self.call("get_node_status").nodes)
            return f"no task_status {task_status} of {about.task_id}: {last}"

        wait_for(lambda: self.summary(about).task_status == task_status, PATIENCE, show)
        return self.summary(about)

    def command_to(self, module: str, after: int = 0, **fields: Any) -> Any:
        """Wait for a command with these fields; `after` commands were heard before."""

        def find() -> list[Any]:
            return [
                m
                for m in list(self.heard["control"])[after:]
                if m.target_node in ("", module)
                and all(getattr(m, name) == value for name, value in fields.items())
            ]

        wait_for(find, PATIENCE, f"no command to {module} with {fields}")
        return find()[0]


def copy_ids(source: Any, target: Any) -> None:
    """As a module does from its inputs to its outputs."""
    for name in ("task_id", "attempt", "session", "token"):
        setattr(target, name, getattr(source, name))


class Framework:
    """An orchestrator of PIPELINE, and the puppet that acts all other parts."""

    def __init__(self, folder: Path, name: str, **parameters: Any) -> None:
        self.namespace = f"/{name}_{os.getpid()}"
        self.folder = folder
        file = folder / "pipeline.yaml"
        file.write_text(yaml.safe_dump({"modules": PIPELINE}, sort_keys=False))
        self.parameters = {"pipeline_file": str(file), **parameters}
        # In a file: a pipe that nobody reads would block the process when it is full.
        self._log = (folder / "orchestrator.log").open("w+")
        self.process = self.launch(self._log)
        self.puppet: Puppet

    def launch(
        self, log: int | IO[str] = subprocess.PIPE, **parameters: Any
    ) -> subprocess.Popen[str]:
        """Another orchestrator of this namespace; with other parameters where given."""
        command = [
            sys.executable,
            "-m",
            "sustainml_orchestrator.node.orchestrator_node",
            "--ros-args",
        ]
        command += ["-r", f"__ns:={self.namespace}"]
        for name, value in {**self.parameters, **parameters}.items():
            command += ["-p", f"{name}:={yaml.safe_dump(value).split(chr(10))[0]}"]
        return subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL, text=True)

    @property
    def log(self) -> str:
        """What the orchestrator has logged so far."""
        self._log.seek(0)
        return self._log.read()

    def __enter__(self) -> Framework:
        with ExitStack() as undo:
            undo.callback(self.process.wait)
            undo.callback(self.process.kill)
            self.puppet = Puppet(self.namespace)
            undo.callback(self.puppet.close)
            for name, client in self.puppet.clients.items():
                assert client.wait_for_service(PATIENCE), f"no service {name}"
            states = self.puppet.heard["orchestrator/system_state"]
            wait_for(lambda: states and states[-1].ready, PATIENCE, self._unready)
            undo.pop_all()
        return self

    def _unready(self) -> str:
        states = self.puppet.heard["orchestrator/system_state"]
        return f"not ready: {states[-1:]}\n{self.log}"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.puppet.close()
        if self.process.returncode is None:
            code = self.end(signal.SIGTERM)
            assert code == 0 or kind is not None, f"the orchestrator ended with {code}"

    def end(self, how: signal.Signals, within: float = 5.0) -> int:
        """Signal the orchestrator; its exit code. Killed when it does not end in time."""
        began = time.monotonic()
        self.process.send_signal(how)
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        assert "Traceback" not in self.log, self.log
        self.took = time.monotonic() - began
        return self.process.returncode
