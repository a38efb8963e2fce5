"""The contract of outputs and statuses; the test plays modules that never echo a command."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator

import pytest
from rclpy.serialization import deserialize_message
from support.puppet import PATIENCE, Framework, Puppet, copy_ids
from support.system import wait_for
from sustainml_msgs import msg
from sustainml_msgs.msg import ErrorCode, NodeControl, NodeStatus


@pytest.fixture(scope="module")
def framework(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Framework]:
    folder = tmp_path_factory.mktemp("protocol")
    with Framework(folder, "protocol", ack_timeout=0.6, command_timeout=60.0) as made:
        yield made


@pytest.fixture
def puppet(framework: Framework) -> Puppet:
    return framework.puppet


def test_the_user_input_carries_all_that_modules_need(puppet: Puppet) -> None:
    extra = json.dumps({"hf_token": "secret", "goal": "sort"}).encode()
    heard = puppet.start("sort apples", extra_data=extra, previous_iteration=9)
    state = puppet.heard["orchestrator/system_state"][-1]
    assert heard.session == state.session != 0
    assert (heard.attempt, heard.task_id.iteration_id) == (1, 1)
    assert heard.header.frame_id == f"{puppet.node.get_namespace()}/orchestrator"
    assert heard.header.stamp.sec > 0
    assert heard.previous_iteration == 0
    assert bytes(heard.extra_data) == extra
    puppet.finish(heard)
    puppet.until_status(heard, NodeStatus.TASK_SUCCEEDED)


def test_outputs_alone_end_a_task(puppet: Puppet) -> None:
    task = puppet.start()
    puppet.deliver("first", task, model="m", extra_data=b'{"quality": 0.5}')
    wait_for(lambda: puppet.summary(task).progress == 0.5, PATIENCE)
    puppet.deliver("second", task, carbon_footprint=2.0, energy_consumption=3.0)
    summary = puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
    assert (summary.model, summary.quality, summary.progress) == ("m", 0.5, 1.0)
    assert (summary.carbon_footprint, summary.energy_consumption) == (2.0, 3.0)
    assert math.isnan(summary.latency)
    updates = puppet.heard["orchestrator/task_updates"]
    wait_for(lambda: repr(updates[-1]) == repr(summary), PATIENCE)  # a NaN equals no NaN


@pytest.mark.parametrize(
    ("field", "by"), [("session", 1), ("attempt", 1), ("attempt", -1), ("token", 1)]
)
def test_what_is_stale_is_dropped(puppet: Puppet, field: str, by: int) -> None:
    task = puppet.start()
    puppet.say("first", task, NodeStatus.TASK_RUNNING)
    wait_for(lambda: puppet.summary(task).modules[0].task_status == 2, PATIENCE)
    before = puppet.summary(task)
    stale = msg.UserInput()
    copy_ids(task, stale)
    setattr(stale, field, (getattr(task, field) + by) % 2**32)
    puppet.finish(stale)
    puppet.say("first", stale, NodeStatus.TASK_ERROR, error_code=2)
    marker = puppet.start("sent after the stale ones")
    puppet.finish(marker)
    puppet.until_status(marker, NodeStatus.TASK_SUCCEEDED)
    assert repr(puppet.summary(task)) == repr(before)
    puppet.finish(task)
    puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)


def test_inputs_are_given_for_open_steps_only(puppet: Puppet) -> None:
    task = puppet.start(extra_data=b'{"api_key": "k"}')
    ids = {"task_id": task.task_id, "attempt": 1, "session": task.session, "token": task.token}

    def ask(module: str, **other: object) -> object:
        return puppet.call("get_inputs", node_name=module, **{**ids, **other})

    given = ask("first")
    assert given.success and given.try_number == 1
    assert bytes(given.user_input.extra_data) == b'{"api_key": "k"}'
    assert given.user_input.task_id == task.task_id
    assert given.user_input.token == task.token != 0
    assert not given.inputs and not given.baselines
    others = ({"attempt": 2}, {"session": 1}, {"token": task.token ^ 1}, {"token": 0})
    for answer in (ask("second"), *(ask("first", **other) for other in others)):
        assert answer.error_code == ErrorCode.REJECTED and answer.message
    puppet.deliver("first", task, model="m", raw_model=b"\x01\x02")
    wait_for(lambda: ask("second").success, PATIENCE)
    (given,) = ask("second").inputs
    assert (given.node_name, given.type_name) == ("first", "sustainml_msgs/msg/MLModel")
    model = deserialize_message(bytes(given.serialized), msg.MLModel)
    assert (bytes(model.raw_model), model.token, given.json) == (b"\x01\x02", task.token, "")
    assert ask("first").error_code == ErrorCode.REJECTED
    puppet.deliver("second", task)
    puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
    assert ask("second").error_code == ErrorCode.REJECTED


SECRETS = {"hf_token": "s3cr3t", "note": "kept", "deep": [{"url": "https://me:s3cr3t@host/x"}]}


def test_credentials_in_outputs_reach_modules_alone(puppet: Puppet) -> None:
    task = puppet.start(extra_data=json.dumps(SECRETS).encode())
    puppet.deliver("first", task, model="m", extra_data=json.dumps(SECRETS).encode())
    ids = {"task_id": task.task_id, "attempt": 1, "session": task.session, "token": task.token}
    wait_for(lambda: puppet.call("get_inputs", node_name="second", **ids).success, PATIENCE)
    (given,) = puppet.call("get_inputs", node_name="second", **ids).inputs
    model = deserialize_message(bytes(given.serialized), msg.MLModel)
    assert json.loads(bytes(model.extra_data)) == SECRETS
    puppet.say("second", task, NodeStatus.TASK_RUNNING)
    puppet.say("second", task, NodeStatus.TASK_ERROR, error_code=2,
               error_description="no answer from https://me:s3cr3t@host/x\x1b[2J")  # fmt: skip
    summary = puppet.until_status(task, NodeStatus.TASK_ERROR)
    assert summary.error_description == r"second: no answer from https://host/x\x1b[2J"
    found = puppet.call("get_task", task_id=task.task_id, include_binary=True).task
    (output,) = [o for o in found.extra_outputs if o.node_name == "first"]
    for extra in (
        deserialize_message(bytes(output.serialized), msg.MLModel).extra_data,
        found.user_input.extra_data,
    ):
        assert json.loads(bytes(extra)) == {"note": "kept", "deep": [{"url": "https://host/x"}]}
    assert "s3cr3t" not in repr(found) + output.json
    assert str(list(b"s3cr3t"))[1:-1] not in output.json


@pytest.mark.parametrize(
    ("field", "value"),
    [("energy_consumption", -1.0), ("carbon_footprint", math.nan), ("carbon_intensity", math.inf)],
)
def test_a_figure_that_makes_no_sense_is_an_error_that_names_it(
    puppet: Puppet, field: str, value: float
) -> None:
    task = puppet.start()
    puppet.deliver("first", task, model="m")
    puppet.deliver("second", task, **{field: value})
    puppet.command_to("second", task_id=task.task_id, try_number=2)
    puppet.deliver("second", task, **{field: value})
    summary = puppet.until_status(task, NodeStatus.TASK_ERROR)
    assert summary.error_description.startswith("second after 2 tries: its output has " + field)


def test_a_silent_module_gets_the_command_again(puppet: Puppet) -> None:
    task = puppet.start()
    again = puppet.command_to("first", task_id=task.task_id)
    assert (again.cmd_task, again.cmd_node) == (NodeControl.RESET_TASK, NodeControl.NO_CMD_NODE)
    assert (again.try_number, again.attempt, again.session) == (1, 1, task.session)
    puppet.finish(task)
    puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)


def test_an_error_costs_a_try_and_statuses_of_old_tries_are_ignored(puppet: Puppet) -> None:
    task = puppet.start()
    puppet.say("first", task, NodeStatus.TASK_ERROR, error_code=1, error_description="oh")
    command = puppet.command_to("first", task_id=task.task_id, try_number=2)
    assert command.cmd_task == NodeControl.RESET_TASK
    puppet.say("first", task, NodeStatus.TASK_ERROR, error_code=2, error_description="late")
    puppet.say("first", task, NodeStatus.TASK_ERROR, try_number=2, error_description="again")
    summary = puppet.until_status(task, NodeStatus.TASK_ERROR)
    assert summary.error_description == "first after 2 tries: again"
    assert summary.modules[0].tries == 2


def test_an_invalid_request_is_not_tried_again(puppet: Puppet) -> None:
    task = puppet.start()
    error = {"error_code": ErrorCode.INVALID_REQUEST, "error_description": "no such memory"}
    puppet.say("first", task, NodeStatus.TASK_ERROR, **error)
    summary = puppet.until_status(task, NodeStatus.TASK_ERROR)
    assert summary.error_code == ErrorCode.INVALID_REQUEST
    assert summary.error_description == "first: no such memory"


def test_a_later_iteration_has_one_message_per_baseline(puppet: Puppet) -> None:
    base = puppet.start("to iterate")
    puppet.deliver("first", base, model="base model")
    puppet.deliver("second", base)
    puppet.until_status(base, NodeStatus.TASK_SUCCEEDED)
    problem = base.task_id.problem_id
    user_input = msg.UserInput(problem_definition="changed", modality="ignored")
    answer = puppet.call(
        "start_iteration",
        base_task=msg.TaskId(problem_id=problem),
        user_input=user_input,
        overrides=["problem_definition"],
    )
    second = puppet.input_of(answer.task_id)
    assert (second.problem_definition, second.modality) == ("changed", "")
    assert second.previous_iteration == 1
    answer = puppet.call(
        "start_iteration", base_task=second.task_id, user_input=msg.UserInput(modality="x"),
        overrides=["modality"],
    )  # fmt: skip
    third = puppet.input_of(answer.task_id)
    for task in (second, third):
        puppet.finish(task)
        puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
    baselines = [m for m in puppet.heard["first/baseline"] if m.task_id.problem_id == problem]
    assert [m.task_id.iteration_id for m in baselines] == [2, 3]
    assert (baselines[0].model, baselines[0].session) == ("base model", base.session)
    assert baselines[0].header.frame_id.endswith("/first")
    assert baselines[1].header.frame_id == baselines[1].model == ""  # its base had none yet
    assert puppet.summary(third).base_task == second.task_id


def test_garbage_and_lies_on_the_topics_do_no_harm(puppet: Puppet) -> None:
    dice = random.Random(5)
    task = puppet.start("amid garbage")
    for _ in range(100):
        noise = bytes(dice.randrange(256) for _ in range(dice.randrange(4, 200)))
        puppet.status.publish(noise)
        puppet.status.publish(b"\x00\x01\x00\x00" + noise)
    for status in (
        NodeStatus(node_name="nobody", node_status=2),
        NodeStatus(node_name="first", node_status=250, incarnation=7),
        NodeStatus(node_name="first" * 9999, node_status=2),
        NodeStatus(node_name="first", node_status=2, task_status=99),
        NodeStatus(),
    ):
        puppet.status.publish(status)
    puppet.say("first", last_command=2**32 - 1)  # a number from the future jams nothing
    noise = b"\x00\x01\x00\x00" + bytes(range(60))
    puppet.outputs["second"].publish(noise)
    puppet.finish(task)
    puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
    assert puppet.call("get_node_status", within=1.0).nodes[0].responsive


def test_an_output_that_cannot_be_read_costs_a_try(puppet: Puppet) -> None:
    from rclpy.serialization import serialize_message

    task = puppet.start()
    broken = msg.MLModel(model="m" * 50, extra_data=b"x" * 50)
    copy_ids(task, broken)
    puppet.outputs["first"].publish(serialize_message(broken)[:-60])
    puppet.command_to("first", task_id=task.task_id, try_number=2)
    puppet.finish(task)
    assert puppet.until_status(task, NodeStatus.TASK_SUCCEEDED).modules[0].tries == 2
