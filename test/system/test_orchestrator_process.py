"""The process of the orchestrator: how it begins, is set, is overrun, and ends."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.action import ActionClient
from support.puppet import DEEP, PATIENCE, Framework
from support.system import wait_for
from sustainml_msgs import msg
from sustainml_msgs.action import RunTask
from sustainml_msgs.msg import ErrorCode, NodeControl, NodeStatus

from sustainml_orchestrator.contract.exit_codes import ExitCode
from sustainml_orchestrator.node.parameters import TABLE


@pytest.fixture(scope="module")
def framework(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Framework]:
    with Framework(tmp_path_factory.mktemp("process"), "process", max_waiting_tasks=3) as made:
        yield made


def solve(framework: Framework) -> None:
    task = framework.puppet.start()
    framework.puppet.finish(task)
    framework.puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)


def ask(framework: Framework, kind: type, name: str, **fields: object):
    node = framework.puppet.node
    client = node.create_client(kind, f"orchestrator/{name}", qos_profile=DEEP)
    assert client.wait_for_service(PATIENCE)
    future = client.call_async(kind.Request(**fields))
    wait_for(future.done, PATIENCE)
    node.destroy_client(client)
    return future.result()


def set_integer(framework: Framework, name: str, value: int):
    held = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value)
    parameters = [Parameter(name=name, value=held)]
    return ask(framework, SetParameters, "set_parameters", parameters=parameters).results[0]


# Names and types #


def test_every_name_of_the_contract_is_in_the_graph(framework: Framework) -> None:
    node, space = framework.puppet.node, framework.namespace
    services = dict(node.get_service_names_and_types_by_node("orchestrator", space))
    for name, client in framework.puppet.clients.items():
        (kind,) = services[f"{space}/orchestrator/{name}"]
        assert kind == f"sustainml_msgs/srv/{client.srv_type.__name__}"
    published = dict(node.get_publisher_names_and_types_by_node("orchestrator", space))
    for topic in framework.puppet.heard:
        assert f"{space}/{topic}" in published
    assert published["/diagnostics"] == ["diagnostic_msgs/msg/DiagnosticArray"]
    heard = dict(node.get_subscriber_names_and_types_by_node("orchestrator", space))
    assert heard[f"{space}/status"] == ["sustainml_msgs/msg/NodeStatus"]
    assert heard[f"{space}/first/output"] == ["sustainml_msgs/msg/MLModel"]
    assert f"{space}/orchestrator/system_state" not in heard


def test_the_latched_state_alone_is_kept_for_latecomers(framework: Framework) -> None:
    node, space = framework.puppet.node, framework.namespace
    for topic in framework.puppet.heard:
        (info,) = [
            info
            for info in node.get_publishers_info_by_topic(f"{space}/{topic}")
            if info.node_name == "orchestrator"
        ]
        latched = topic == "orchestrator/system_state"
        assert info.qos_profile.reliability.name == "RELIABLE"
        assert info.qos_profile.durability.name == ("TRANSIENT_LOCAL" if latched else "VOLATILE")


# Parameters #


def test_every_parameter_is_declared_described_and_bounded(framework: Framework) -> None:
    names = [spec.name for spec in TABLE]
    listed = ask(framework, ListParameters, "list_parameters").result.names
    assert set(names) <= set(listed)
    described = ask(framework, DescribeParameters, "describe_parameters", names=names).descriptors
    for spec, descriptor in zip(TABLE, described, strict=True):
        assert descriptor.description == spec.description
        assert descriptor.read_only == spec.read_only
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        is_wide = bool(spec.high) and not isinstance(spec.default, float) and spec.high >= 2**31
        assert len(ranges) == (spec.low is not None and not is_wide)
        assert all(choice in descriptor.additional_constraints for choice in spec.choices)


@pytest.mark.parametrize(("name", "value"), [("max_active_tasks", 101), ("max_active_tasks", 0)])
def test_a_value_out_of_range_is_refused_at_run_time(
    framework: Framework, name: str, value: int
) -> None:
    result = set_integer(framework, name, value)
    assert not result.successful and result.reason
    got = ask(framework, GetParameters, "get_parameters", names=[name])
    assert got.values[0].integer_value == 100


def test_what_is_read_at_start_cannot_be_set_later(framework: Framework) -> None:
    held = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value="/tmp/other")
    parameters = [Parameter(name="pipeline_file", value=held)]
    answer = ask(framework, SetParameters, "set_parameters", parameters=parameters)
    assert not answer.results[0].successful


@pytest.mark.parametrize("name", ["max_problems", "max_payload_bytes"])
def test_no_parameter_set_at_run_time_deletes_problems(framework: Framework, name: str) -> None:
    puppet = framework.puppet
    for _ in range(2):
        solve(framework)
    before = puppet.call("list_tasks").total
    result = set_integer(framework, name, 1)
    assert not result.successful and name in result.reason
    solve(framework)
    assert puppet.call("list_tasks").total == before + 1


def test_parameters_of_no_type_are_refused(framework: Framework) -> None:
    """Rclpy itself raises for them, which would end the node."""
    parameters = [Parameter(name="max_resets", value=ParameterValue(type=255))]
    answer = ask(
        framework, SetParametersAtomically, "set_parameters_atomically", parameters=parameters
    )
    assert not answer.result.successful and "255" in answer.result.reason
    answer = ask(framework, SetParameters, "set_parameters", parameters=parameters)
    assert not answer.results[0].successful
    assert framework.puppet.call("get_node_status").success


def test_limits_take_effect_when_they_are_set(framework: Framework) -> None:
    puppet = framework.puppet
    assert set_integer(framework, "max_active_tasks", 1).successful
    assert set_integer(framework, "max_text_bytes", 10).successful
    refused = puppet.call("start_task", user_input=msg.UserInput(problem_definition="x" * 11))
    assert refused.error_code == ErrorCode.INVALID_REQUEST and "10 bytes" in refused.message
    long = puppet.call(
        "start_task", request_id="x" * 2000, user_input=msg.UserInput(problem_definition="a")
    )
    assert long.error_code == ErrorCode.INVALID_REQUEST and "request_id is longer" in long.message
    running = puppet.start("runs")
    waiting = []
    for priority in (1, 2, 3):
        user_input = msg.UserInput(problem_definition="waits")
        answer = puppet.call("start_task", user_input=user_input, priority=priority)
        waiting.append(answer.task_id)
    full = puppet.call("start_task", user_input=msg.UserInput(problem_definition="one more"))
    assert full.error_code == ErrorCode.RESOURCE_EXHAUSTED and "max_waiting_tasks" in full.message
    assert puppet.call("list_tasks", task_statuses=[NodeStatus.TASK_WAITING]).total == 3
    puppet.finish(running)
    for task_id in reversed(waiting):  # the highest priority first
        task = puppet.input_of(task_id)
        assert puppet.call("list_tasks", task_statuses=[NodeStatus.TASK_RUNNING]).total == 1
        puppet.finish(task)
        puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
    assert set_integer(framework, "max_active_tasks", 100).successful
    assert set_integer(framework, "max_text_bytes", 2**20).successful


# Overrun #


def test_a_burst_of_calls_is_answered_to_the_last(framework: Framework) -> None:
    puppet = framework.puppet
    sent = [puppet.send("get_node_status") for _ in range(300)]
    wait_for(lambda: all(future.done() for future in sent), PATIENCE)
    assert all(future.result().success for future in sent)


def test_calls_beyond_the_limit_are_refused_at_once(framework: Framework) -> None:
    puppet = framework.puppet
    ask = {"node_name": "first", "timeout": 2.0}  # what ends load is never refused; this is
    began = time.monotonic()
    sent = [puppet.send("configure_node", **ask) for _ in range(300)]

    def refused() -> int:
        done = [f.result() for f in sent if f.done()]
        return sum(a.error_code == ErrorCode.RESOURCE_EXHAUSTED for a in done)

    wait_for(lambda: refused() == 300 - 64, 2.0)
    assert puppet.call("get_node_status", within=1.0).success  # the others are served meanwhile
    assert time.monotonic() - began < 2.0
    wait_for(lambda: all(future.done() for future in sent), PATIENCE)
    codes = Counter(future.result().error_code for future in sent)
    assert codes == {ErrorCode.RESOURCE_EXHAUSTED: 236, ErrorCode.TIMEOUT: 64}
    solve(framework)


def test_bad_goals_and_good_ones_are_answered(framework: Framework) -> None:
    puppet = framework.puppet
    client = ActionClient(puppet.node, RunTask, "orchestrator/run_task")
    assert client.wait_for_server(PATIENCE)

    def send(text: str, **fields: object):
        goal = RunTask.Goal(user_input=msg.UserInput(problem_definition=text), **fields)
        accepted = puppet.run(partial(client.send_goal_async, goal))
        wait_for(accepted.done, PATIENCE)
        return accepted.result()

    def end(handle) -> RunTask.Result:
        ended = puppet.run(handle.get_result_async)
        wait_for(ended.done, PATIENCE)
        return ended.result().result

    bad = end(send(" ", request_id="bad"))
    assert bad.error_code == ErrorCode.INVALID_REQUEST and "problem_definition" in bad.message
    handle = send("by action", request_id="by action")
    again = puppet.call(
        "start_task",
        user_input=msg.UserInput(problem_definition="by action"),
        request_id="by action",
    )
    task = puppet.input_of(again.task_id)
    puppet.finish(task)
    good = end(handle)
    assert good.success and good.task.summary.task_id == task.task_id
    handle = send("to be cancelled", request_id="cancel")
    again = puppet.call(
        "start_task",
        user_input=msg.UserInput(problem_definition="to be cancelled"),
        request_id="cancel",
    )
    task = puppet.input_of(again.task_id)
    cancelled = puppet.run(handle.cancel_goal_async)
    wait_for(cancelled.done, PATIENCE)
    result = end(handle)
    assert result.error_code == ErrorCode.CANCELLED
    assert puppet.summary(task).task_status == NodeStatus.TASK_TERMINATED
    client.destroy()


def test_large_texts_do_not_swell_the_lists(framework: Framework) -> None:
    puppet = framework.puppet
    task = puppet.start("x", problem_short_description="y" * 1_000_000)
    assert len(puppet.summary(task).problem_short_description) <= 1000
    puppet.finish(task)
    whole = puppet.call("get_task", task_id=task.task_id).task
    assert len(whole.user_input.problem_short_description) == 1_000_000


# Neighbours #


def test_a_second_orchestrator_refuses_and_says_who_is_there(framework: Framework) -> None:
    session = framework.puppet.heard["orchestrator/system_state"][-1].session
    second = framework.launch()
    _, log = second.communicate(timeout=20.0)
    assert second.returncode == ExitCode.NAME_TAKEN
    line = log.strip().splitlines()[-1]
    assert f"another orchestrator (session {session}" in line and framework.namespace in line
    solve(framework)


def test_two_frameworks_share_a_domain(framework: Framework, tmp_path: Path) -> None:
    with Framework(tmp_path, "neighbour") as neighbour:
        before = framework.puppet.call("list_tasks").total
        solve(neighbour)
        assert neighbour.puppet.call("list_tasks").total == 1
        assert framework.puppet.call("list_tasks").total == before


# Time and signals #


def test_without_a_clock_nothing_hangs_and_sigint_ends_it(tmp_path: Path) -> None:
    with Framework(tmp_path, "timeless", use_sim_time=True, ack_timeout=0.5) as timeless:
        solve(timeless)
        task = timeless.puppet.start()
        timeless.puppet.command_to("first", task_id=task.task_id)  # deadlines run
        stop = {"node_name": "first", "cmd_node": NodeControl.STOP_NODE, "timeout": 0.3}
        assert timeless.puppet.call("control_node", **stop).error_code == ErrorCode.TIMEOUT
        assert timeless.end(signal.SIGINT) == 0
        assert timeless.took < 2.0


def test_sigterm_in_the_midst_of_calls_ends_it(tmp_path: Path) -> None:
    with Framework(tmp_path, "ending") as ending:
        ending.puppet.start()
        stop = {"node_name": "first", "cmd_node": NodeControl.STOP_NODE, "timeout": 30.0}
        for _ in range(20):
            ending.puppet.send("control_node", **stop)
        ending.puppet.command_to("first", cmd_node=NodeControl.STOP_NODE)
        assert ending.end(signal.SIGTERM) == 0
        assert ending.took < 2.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts_ends_it(
    tmp_path: Path, number: signal.Signals, request: pytest.FixtureRequest
) -> None:
    starting = Framework(tmp_path, "starting")
    request.addfinalizer(starting.process.kill)  # where it does not come so far
    children = Path(f"/proc/{starting.process.pid}/status")

    def catches() -> bool:  # it has come as far as its own handlers
        caught = int(children.read_text().split("SigCgt:")[1].split()[0], 16)
        return bool(caught >> (signal.SIGTERM - 1) & 1)

    wait_for(catches, PATIENCE)
    assert starting.end(number) == 0
    assert starting.took < 2.0
