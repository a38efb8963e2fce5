"""An orchestrator under attack: after each batch it answers and works, and nothing has changed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.action import ActionClient
from sustainml_msgs import msg
from sustainml_msgs.action import RunTask
from sustainml_msgs.msg import ErrorCode, NodeControl, NodeStatus

from support.attacks import TOPICS, Attack, Bytes, Call, Goal, Message, Setting
from support.puppet import DEEP, LATCHED, PATIENCE, TYPES, Framework, copy_ids
from support.system import wait_for
from sustainml_orchestrator.node.parameters import TABLE

#: Requests that wait for a module which never obeys are answered soon.
PARAMETERS = {"control_timeout": 0.05, "configure_timeout": 0.05, "heartbeat_timeout": 5.0}
#: Tasks that are over and must stay as they are; and how many of them are looked at each time.
_KEPT, _LOOKED_AT = 50, 3
#: However long what was sent: an answer is for people.
_LONGEST_ANSWER = 2000
#: The first problem may be iterated on by attacks; its first iteration must stay as it is.
_FIRST = 1


class Siege:
    """Sends attacks to an orchestrator of which the puppet plays the honest modules.

    Args:
        done: called after each batch.

    Attributes:
        puppet: the honest modules, and an honest front-end.
        pid: of the orchestrator.
        dropped: what diagnostics say was dropped, by reason.
        writers: the attacker's, by topic. What the honest modules publish must not wait in one
            of these until DDS has repaired a flood.
    """

    def __init__(self, framework: Framework, done: Callable[[], object] = lambda: None) -> None:
        self._framework = framework
        self._tell = done
        self.puppet = puppet = framework.puppet
        self.pid = framework.process.pid
        node = puppet.node
        self._numbers = count(1)
        self._done: deque[tuple[Any, str]] = deque(maxlen=_KEPT)
        self.writers = {t: node.create_publisher(kind, t, DEEP) for t, kind in TOPICS.items()}
        self._clients: dict[str, Any] = {}
        self._action = ActionClient(node, RunTask, "orchestrator/run_task")
        assert self._action.wait_for_server(PATIENCE)
        self.dropped: dict[str, int] = {}
        self._reports = 0
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, DEEP)
        self._settings = self._read_settings()
        self._answers: list[tuple[Attack, Any]] = []
        self._goals: list[tuple[Goal, Any]] = []
        self._extra = 0  # iterations of the first problem that attacks have made
        self.solve()

    # Attacking #

    def withstand(self, batch: list[Attack]) -> None:
        """Send a batch while a task runs.

        Raises:
            AssertionError: the node died, is silent or wrong, or something changed.
        """
        assert self._framework.process.poll() is None, "the node died in an earlier batch"
        victim = self.puppet.start(f"victim {next(self._numbers)}")
        self._answers, self._goals = [], []
        for attack in batch:
            self._send(attack, victim)
        assert self.puppet.call("get_node_status", within=5.0).success
        for attack, future in self._answers:
            wait_for(future.done, PATIENCE, f"not answered: {_show(attack)}")
            self._judge(attack, future.result())
        for goal, request_id in self._goals:
            self._end_goal(goal, request_id)
        self._restore_nodes()
        self.solve(victim)
        self.look_back()
        self._tell()

    def _send(self, attack: Attack, victim: Any) -> None:
        if isinstance(attack, Message):
            self._publish(attack, victim)
        elif isinstance(attack, Bytes):
            self._writer(attack.topic).publish(attack.data)
        elif isinstance(attack, Call):
            self._answers.append((attack, self.puppet.send(attack.service, **attack.fields)))
        elif isinstance(attack, Goal):
            request_id = f"goal {next(self._numbers)}"
            goal = RunTask.Goal(**{**attack.fields, "request_id": request_id})
            sent = self.puppet.run(partial(self._action.send_goal_async, goal))
            self._goals.append((attack, (request_id, sent)))
        elif isinstance(attack, Setting):
            with suppress(AssertionError):  # a name that no message can hold
                value = ParameterValue(**attack.value)
                request = SetParameters.Request(
                    parameters=[Parameter(name=attack.name, value=value)]
                )
                self._ask(attack, "set_parameters", SetParameters, request)
        else:
            self._ask(attack, attack.service, attack.kind, attack.kind.Request(**attack.fields))

    def _writer(self, topic: str) -> Any:
        if topic not in self.writers:
            kind = msg.SystemState
            self.writers[topic] = self.puppet.node.create_publisher(kind, topic, LATCHED)
        return self.writers[topic]

    def _publish(self, attack: Message, victim: Any) -> None:
        message = attack.message
        if attack.about == "done":
            copy_ids(self._done[-1][0], message)
        elif attack.about == "stale":
            copy_ids(victim, message)
            message.attempt += 1
        if isinstance(message, NodeStatus) and message.instance == "/first":  # poses as ours
            message.instance = f"{self._framework.namespace}/{message.node_name}"
            message.incarnation = 7
        self.writers[attack.topic].publish(message)

    def _ask(self, attack: Attack, service: str, kind: type, request: Any) -> None:
        self._answers.append((attack, self._client(service, kind).call_async(request)))

    def _client(self, service: str, kind: type) -> Any:
        if service not in self._clients:
            client = self.puppet.node.create_client(
                kind, f"orchestrator/{service}", qos_profile=DEEP
            )
            assert client.wait_for_service(PATIENCE)
            self._clients[service] = client
        return self._clients[service]

    # Judging #

    def _judge(self, attack: Attack, answer: Any) -> None:
        if isinstance(attack, Setting):
            # rclpy takes one without a name, which nobody reads, and unsets those not there.
            kind = attack.value["type"]
            granted = not attack.name.split("\0")[0] or kind == ParameterType.PARAMETER_NOT_SET
            assert granted or not answer.results[0].successful, _show(attack)
        if not isinstance(attack, Call):
            return
        if answer.success:
            assert answer.error_code == ErrorCode.NO_ERROR, _show(attack)
            if attack.service in ("start_task", "start_iteration"):
                self._end_task(answer.task_id)
            return
        said = f"{answer.error_code}: {answer.message[:_LONGEST_ANSWER]}"
        assert answer.error_code not in (ErrorCode.NO_ERROR, ErrorCode.INTERNAL_ERROR), (
            f"{said} on {_show(attack)}"
        )
        assert 0 < len(answer.message) <= _LONGEST_ANSWER, f"{said} on {_show(attack)}"

    def _end_task(self, task_id: msg.TaskId) -> None:
        ended = {"task_id": task_id, "cmd_task": NodeControl.TERMINATE_TASK}
        self.puppet.call("control_task", **ended)  # refused where an attack has done so already
        if task_id.problem_id == _FIRST:
            self._extra = max(self._extra, task_id.iteration_id - 1)
        else:
            self.puppet.call("delete_problem", problem_id=task_id.problem_id)

    def _end_goal(self, goal: Goal, sent: tuple[str, Any]) -> None:
        request_id, accepted = sent
        wait_for(accepted.done, PATIENCE, f"not answered: {_show(goal)}")
        handle = accepted.result()
        if not handle.accepted:
            return
        result = self.puppet.run(handle.get_result_async)
        if goal.cancelled:
            cancelled = self.puppet.run(handle.cancel_goal_async)
            wait_for(cancelled.done, PATIENCE, f"not cancelled: {_show(goal)}")
        else:
            again = self.puppet.call("start_task", **{**goal.fields, "request_id": request_id})
            if again.success:
                stop = {"task_id": again.task_id, "cmd_task": NodeControl.TERMINATE_TASK}
                self.puppet.call("control_task", **stop)
        wait_for(result.done, PATIENCE, f"no result: {_show(goal)}")
        answer = result.result().result
        assert answer.error_code not in (ErrorCode.NO_ERROR, ErrorCode.INTERNAL_ERROR)
        assert 0 < len(answer.message) <= _LONGEST_ANSWER
        task_id = answer.task.summary.task_id
        if task_id.problem_id:
            self.puppet.call("delete_problem", problem_id=task_id.problem_id)

    def _restore_nodes(self) -> None:
        """What honest modules and an honest operator do after any disturbance."""
        for module in TYPES:
            start = {"node_name": module, "cmd_node": NodeControl.START_NODE, "timeout": PATIENCE}
            answer = self.puppet.send("control_node", **start)

            def is_confirmed(module: str = module, answer: Any = answer) -> bool:
                self.puppet.say(module)  # it obeys at once
                return bool(answer.done())

            wait_for(is_confirmed, PATIENCE, f"{module} does not start")
            assert answer.result().success, answer.result().message

    def solve(self, task: Any = None) -> None:
        """Bring a task to its end, and see that all of it is right."""
        puppet = self.puppet
        task = task or puppet.start("before all attacks")
        number = task.task_id.problem_id
        puppet.finish(task)
        summary = puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
        assert (summary.model, summary.carbon_footprint) == (f"model {number}", float(number))
        whole = puppet.call("get_task", task_id=task.task_id, include_binary=True).task
        assert whole.user_input.problem_definition == task.problem_definition
        first, second = (puppet.output_of(whole, module) for module in ("first", "second"))
        assert first.model == f"model {number}"
        assert first.task_id == second.task_id == task.task_id
        self._done.append((task, repr(whole)))

    def look_back(self) -> None:
        """Nothing else has changed."""
        for task, before in list(self._done)[:: max(1, len(self._done) // _LOOKED_AT)]:
            whole = self.puppet.call("get_task", task_id=task.task_id, include_binary=True).task
            assert repr(whole) == before
        assert self._read_settings() == self._settings
        assert self._framework.process.poll() is None, "the node died"

    def _read_settings(self) -> list[str]:
        names = [spec.name for spec in TABLE]
        future = self._client("get_parameters", GetParameters).call_async(
            GetParameters.Request(names=names)
        )
        wait_for(future.done, PATIENCE)
        return [repr(value) for value in future.result().values]

    # Diagnostics #

    def counted(self) -> dict[str, int]:
        """What was dropped so far: as of diagnostics that were sent from now on."""
        seen = self._reports
        wait_for(lambda: self._reports >= seen + 2, PATIENCE, "no diagnostics")
        return dict(self.dropped)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        mine = f"{self._framework.namespace}/orchestrator: dropped messages"
        for status in message.status:
            if status.name == mine:
                self._reports += 1
                self.dropped = {pair.key: int(pair.value) for pair in status.values}


def _show(attack: Attack) -> str:
    text = repr(attack)
    return text if len(text) < 1000 else f"{text[:1000]}…"
