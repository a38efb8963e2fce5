"""Tasks through real processes and DDS: right, complete, and answered."""

from __future__ import annotations

import json

import pytest
from support.system import wait_for
from sustainml_msgs.msg import TaskId as Message
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.client import RequestRefused, RequestTimeout
from sustainml_orchestrator.core.ids import (
    ErrorCode,
    TaskCommand,
    TaskId,
    TaskStatus,
)


def start(system, text: str, **fields: object) -> TaskId:
    return system.client.start_task(UserInput(problem_definition=text), **fields)


def test_fifty_tasks_at_a_time_are_all_right(system) -> None:
    tasks = [start(system, f"problem {i}") for i in range(50)]
    for i, task_id in enumerate(tasks):
        task = system.client.wait_for_task(task_id, 60.0)
        assert task.summary.task_status == TaskStatus.SUCCEEDED, task.summary.outcome_reason
        assert task.ml_model.model == f"model for problem {i}"
        assert task.summary.progress == 1.0 and task.summary.quality == 0.5
        full = system.client.get_task(task_id, include_binary=True)
        for output in (full.app_requirements, full.hw_resource, full.carbon_footprint):
            assert json.loads(bytes(output.extra_data))["marks"] == [f"problem {i}"]
            assert output.task_id == task.summary.task_id


def test_a_module_that_fails(system) -> None:
    task = system.solve("fail:hw_resources")
    assert task.summary.task_status == TaskStatus.ERROR
    assert "hw_resources after 2 tries" in task.summary.error_description
    assert "told to fail" in task.summary.error_description
    assert task.ml_model.model and not task.hw_resource.header.frame_id


def test_a_second_try_succeeds(system) -> None:
    task = system.solve("once:ml_model_metadata")
    assert task.summary.task_status == TaskStatus.SUCCEEDED
    tries = {m.node_name: m.tries for m in task.summary.modules}
    assert tries["ml_model_metadata"] == 2 and tries["hw_resources"] == 1


def test_iterations_have_baselines_and_overrides(system) -> None:
    first = system.solve("a problem to iterate on")
    base = TaskId(first.summary.task_id.problem_id, 0)
    task_id = system.client.start_iteration(
        base, UserInput(problem_definition="changed"), overrides=["problem_definition"]
    )
    assert task_id == TaskId(base.problem_id, 2)
    second = system.client.wait_for_task(task_id, 30.0)
    assert second.ml_model.model == "model for changed"
    assert second.ml_model.model_path == "after model for a problem to iterate on"
    assert second.user_input.previous_iteration == 1
    rows = system.client.compare_iterations(base.problem_id)
    assert [row.best for row in rows] == [False, True]


def test_alternatives_follow_each_other(system) -> None:
    first = system.solve("three of them", extra_data={"num_outputs": 3})
    assert first.summary.next_task.iteration_id == 2
    problem = first.summary.task_id.problem_id
    second = system.client.wait_for_task(TaskId(problem, 2), 30.0)
    assert second.summary.next_task.iteration_id == 3
    last = system.client.wait_for_task(TaskId(problem, 3), 30.0)
    assert last.summary.next_task.problem_id == 0


def test_the_action_feeds_back_and_returns_the_task(system) -> None:
    """Once for each change of the task, with the modules that changed since the last time."""
    told = []
    task = system.client.run_task(UserInput(problem_definition="by action"), feedback=told.append)
    assert task.summary.task_status == TaskStatus.SUCCEEDED
    shown = [(s.task_status, s.progress, s.model, s.hw_description) for s in told]
    assert shown and len(set(shown)) == len(shown)
    progress = [s.progress for s in told]
    assert progress == sorted(progress)
    assert told[-1].task_status == TaskStatus.SUCCEEDED
    assert len(told) <= 2 + 6
    assert all(s.status_text == TaskStatus(s.task_status).name for s in told)
    named = [(m.node_name, m.task_status, m.has_output) for s in told for m in s.modules]
    assert named and len(set(named)) == len(named)


def search(text: str, target: float = 0.0) -> UserInput:
    return UserInput(
        problem_definition=text,
        optimize_carbon_footprint_auto=True,
        desired_carbon_footprint=target,
    )


def test_the_action_follows_a_search_and_returns_the_best(system) -> None:
    """Each iteration of the scripted modules has 1/n of the first one's carbon."""
    seen: dict[int, str] = {}

    def feedback(summary) -> None:
        seen[summary.task_id.iteration_id] = summary.model

    task = system.client.run_task(search("down to a quarter", 0.26), feedback=feedback)
    assert task.summary.task_id.iteration_id == 4
    assert task.summary.outcome_reason.startswith("target of 0.26 kgCO2e met: best is")
    assert set(seen) == {1, 2, 3, 4}
    summaries = list(system.client.all_tasks(task.summary.task_id.problem_id))
    assert [s.next_task.iteration_id for s in summaries] == [2, 3, 4, 0]
    assert [s.base_task.iteration_id for s in summaries] == [0, 1, 2, 3]


def test_a_search_that_fails_later_has_a_result(system) -> None:
    task = system.client.run_task(search("later:hw_resources", 0.1))
    assert task.summary.task_id.iteration_id == 1
    assert task.summary.task_status == TaskStatus.SUCCEEDED
    problem = task.summary.task_id.problem_id
    last = system.client.get_task(TaskId(problem, 2)).summary
    assert last.task_status == TaskStatus.ERROR
    assert last.outcome_reason.endswith(f"; the best so far is {problem}/1 with 1 kgCO2e")


def test_a_cancelled_search_ends(system) -> None:
    """It is the iteration under way that is terminated; none follows."""
    with pytest.raises(RequestTimeout, match="run_task"):
        system.client.run_task(search("slow:carbon_tracker, for long"), timeout=1.0)

    def newest():
        return system.client.list_tasks(newest_first=True, limit=1)[0][0]

    wait_for(lambda: newest().task_status == TaskStatus.TERMINATED)
    assert newest().task_id.iteration_id > 1
    assert "; the best so far is" in newest().outcome_reason


def test_a_search_is_stopped_and_begun_anew_by_hand(system) -> None:
    client = system.client
    first = client.start_task(search("hang:carbon_tracker"))
    client.control_task(first, TaskCommand.STOP)
    changed = ["problem_definition", "desired_carbon_footprint"]
    by_hand = client.start_iteration(first, search("in its place", 0.3), overrides=changed)
    last = client.wait_for_task(by_hand, 30.0, follow=True).summary
    assert last.task_id.iteration_id == 4  # half, a third, a quarter
    assert last.outcome_reason.startswith("target of 0.3 kgCO2e met")
    assert client.get_task(first).summary.task_status == TaskStatus.STOPPED


@pytest.mark.parametrize(
    ("base", "manual", "previous", "expected"),
    [(0, True, 1, 1), (0, True, -1, 2), (0, True, 0, 2), (1, True, 2, 1), (0, False, 1, 2)],
)
def test_the_base_of_an_iteration_by_hand(
    system, base: int, manual: bool, previous: int, expected: int
) -> None:
    """base_task decides; what it leaves open, previous_iteration where it is meant."""
    first = system.solve("two iterations", extra_data={"num_outputs": 2}).summary.task_id
    system.client.wait_for_task(TaskId(first.problem_id, 2), 30.0)
    asked = UserInput(
        problem_definition="by hand",
        optimize_carbon_footprint_manual=manual,
        previous_iteration=previous,
    )
    task = system.client.start_iteration(TaskId(first.problem_id, base), asked)
    data = system.client.wait_for_task(task, 30.0)
    assert data.summary.base_task.iteration_id == expected
    assert data.user_input.previous_iteration == expected
    asked.previous_iteration, asked.optimize_carbon_footprint_manual = -2, True
    with pytest.raises(RequestRefused, match="previous_iteration is -2; name an iteration"):
        system.client.start_iteration(TaskId(first.problem_id, 0), asked)


def test_a_request_id_makes_a_repetition_harmless(system) -> None:
    assert start(system, "x", request_id="same") == start(system, "x", request_id="same")


def test_every_task_command(system) -> None:
    client = system.client
    task = start(system, "hang:carbon_tracker")
    assert client.control_task(task, TaskCommand.PREEMPT) is TaskStatus.WAITING
    assert client.control_task(task, TaskCommand.STOP) is TaskStatus.STOPPED
    with pytest.raises(RequestRefused, match="does not permit STOP_TASK") as refusal:
        client.control_task(task, TaskCommand.STOP)
    assert refusal.value.code is ErrorCode.REJECTED
    assert client.control_task(task, TaskCommand.RESET) is TaskStatus.WAITING
    assert client.control_task(task, TaskCommand.TERMINATE) is TaskStatus.TERMINATED
    with pytest.raises(RequestRefused, match="permits no command"):
        client.control_task(task, TaskCommand.RESET)


def test_credentials_reach_no_answer(system) -> None:
    task = system.solve(
        "secret", extra_data={"hf_token": "s3cr3t", "deep": {"api_key": "k", "a": 1}}
    )
    task_id = TaskId(task.summary.task_id.problem_id, 1)
    shown = bytes(system.client.get_task(task_id, include_binary=True).user_input.extra_data)
    assert json.loads(shown) == {"deep": {"a": 1}}


NAN = float("nan")
BAD_INPUTS = [
    ({"problem_definition": " "}, "problem_definition is empty"),
    ({"minimum_samples": 5, "maximum_samples": 2}, "greater than maximum_samples"),
    ({"desired_carbon_footprint": NAN}, "desired_carbon_footprint is nan"),
    ({"desired_carbon_footprint": -1.0}, "desired_carbon_footprint is -1"),
    ({"problem_definition": "x" * 2**20 + "y"}, "longer than 1048576 bytes"),
    ({"inputs": ["x"] * 1001}, "1001 entries"),
    ({"extra_data": b"[1]"}, "extra_data is a JSON list"),
    ({"extra_data": b"{"}, "extra_data is not JSON"),
    ({"extra_data": b'{"num_outputs": "many"}'}, "num_outputs"),
]


@pytest.mark.parametrize(("fields", "text"), BAD_INPUTS)
def test_a_bad_user_input_is_refused_with_its_reason(system, fields, text) -> None:
    message = UserInput(**{"problem_definition": "x", **fields})
    for call in (
        lambda: system.client.start_task(message),
        lambda: system.client.run_task(message, timeout=10.0),
    ):
        with pytest.raises(RequestRefused, match=text) as refusal:
            call()
        assert refusal.value.code is ErrorCode.INVALID_REQUEST


BAD_CALLS = [
    ("get_task", {"task_id": (9999, 1)}, ErrorCode.NOT_FOUND, "no problem 9999"),
    ("get_task", {"modules": ["nobody"]}, ErrorCode.NOT_FOUND, "no module 'nobody'"),
    ("list_tasks", {"limit": 1001}, ErrorCode.INVALID_REQUEST, "limit is 1001"),
    ("list_tasks", {"task_statuses": [9]}, ErrorCode.INVALID_REQUEST, "task_statuses holds 9"),
    ("list_tasks", {"problem_id": 9999}, ErrorCode.NOT_FOUND, "no problem 9999"),
    ("control_task", {"cmd_task": 9}, ErrorCode.INVALID_REQUEST, "cmd_task is 9"),
    ("control_task", {"cmd_task": 1}, ErrorCode.INVALID_REQUEST, "problem_id is 0"),
    ("delete_problem", {"problem_id": 9999}, ErrorCode.NOT_FOUND, "no problem 9999"),
    ("get_node_status", {"node_name": "nobody"}, ErrorCode.NOT_FOUND, "no node 'nobody'"),
    ("control_node", {"cmd_node": 7}, ErrorCode.INVALID_REQUEST, "cmd_node is 7"),
    ("control_node", {"cmd_node": 1, "timeout": NAN}, ErrorCode.INVALID_REQUEST, "timeout is nan"),
    ("control_node", {"cmd_node": 1, "node_name": "x"}, ErrorCode.NOT_FOUND, "no node 'x'"),
    ("configure_node", {"node_name": ""}, ErrorCode.NOT_FOUND, "node_name is empty"),
    (
        "configure_node",
        {"node_name": "hw_resources", "configuration": "[]"},
        ErrorCode.INVALID_REQUEST,
        "give an object",
    ),
    ("start_iteration", {}, ErrorCode.INVALID_REQUEST, "problem_id is 0"),
    ("start_iteration", {"base_task": (9999, 1)}, ErrorCode.NOT_FOUND, "no problem 9999"),
    ("start_iteration", {"base_task": (1, 1)}, ErrorCode.INVALID_REQUEST, "name in overrides the"),
    (
        "start_iteration",
        {"base_task": (1, 1), "overrides": ["colour"]},
        ErrorCode.INVALID_REQUEST,
        "'colour', which is no field",
    ),
    ("get_inputs", {"node_name": "nobody"}, ErrorCode.NOT_FOUND, "no module"),
    ("get_inputs", {"node_name": "hw_resources"}, ErrorCode.NOT_FOUND, "no task 0/0"),
    ("compare_iterations", {"problem_id": 9999}, ErrorCode.NOT_FOUND, "no problem 9999"),
]


@pytest.mark.parametrize(("service", "fields", "code", "text"), BAD_CALLS)
def test_a_bad_request_is_answered_and_changes_nothing(system, service, fields, code, text) -> None:
    for key, value in fields.items():
        if isinstance(value, tuple):
            fields = {**fields, key: Message(problem_id=value[0], iteration_id=value[1])}
    before = [(s.task_id, s.revision) for s in system.client.all_tasks()]
    with pytest.raises(RequestRefused, match=text) as refusal:
        system.client.call(service, **fields)
    assert refusal.value.code is code
    assert [(s.task_id, s.revision) for s in system.client.all_tasks()] == before
