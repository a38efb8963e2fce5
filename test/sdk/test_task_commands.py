"""STOP, RESET, PREEMPT and TERMINATE of tasks of a real module process, in every situation."""

from __future__ import annotations

import pytest
from support.scripted_modules import Isolation, ScriptedOrchestrator, token_of

from sustainml_orchestrator.core.ids import ErrorCode, NodeStatus, TaskCommand, TaskStatus

ABANDON = [
    (TaskCommand.STOP, TaskStatus.STOPPED),
    (TaskCommand.PREEMPT, TaskStatus.RETURNED),
    (TaskCommand.TERMINATE, TaskStatus.TERMINATED),
]


@pytest.mark.parametrize(("command", "answer"), ABANDON)
def test_a_running_a_waiting_and_an_unknown_task_are_abandoned(
    orchestrator: ScriptedOrchestrator,
    isolation: Isolation,
    command: TaskCommand,
    answer: TaskStatus,
) -> None:
    orchestrator.start("Playful", *isolation)
    orchestrator.task((1, 1), "watch")
    orchestrator.task((2, 1), "work")
    orchestrator.await_task((2, 1), TaskStatus.WAITING)
    orchestrator.await_note("process 1/1")
    for task_id in ((2, 1), (1, 1), (7, 3)):
        orchestrator.order(task=command, task_id=task_id, attempt=1, try_number=1)
        status = orchestrator.await_task(task_id, answer)
        assert (status.attempt, status.session, status.try_number) == (1, 42, 1)
    orchestrator.await_node(NodeStatus.IDLE)
    orchestrator.task((3, 1), "work")
    orchestrator.output((3, 1))
    assert [note.split()[1] for note in orchestrator.noted() if "process" in note] == [
        "1/1",
        "3/1",
    ]
    assert len(orchestrator.outputs) == 1


@pytest.mark.parametrize("what", ["never", "swallow", "hold"])
def test_code_that_does_not_heed_is_killed(orchestrator: ScriptedOrchestrator, what: str) -> None:
    orchestrator.start("Playful", "-p", "cancel_grace:=0.2")
    orchestrator.task((1, 1), what, "3600")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    orchestrator.await_note("process 1/1")
    orchestrator.order(task=TaskCommand.STOP, task_id=(1, 1))
    orchestrator.await_task((1, 1), TaskStatus.STOPPED, patience=1.0)
    orchestrator.task((2, 1), "work")
    orchestrator.output((2, 1))
    assert orchestrator.noted().count("on_start") == 2


def test_a_stopped_task_does_not_come_back_by_a_late_input(
    orchestrator: ScriptedOrchestrator,
) -> None:
    orchestrator.start("Playful")
    orchestrator.order(task=TaskCommand.STOP, task_id=(1, 1))
    orchestrator.await_task((1, 1), TaskStatus.STOPPED)
    orchestrator.task((1, 1), "work")
    orchestrator.task((2, 1), "work")
    orchestrator.output((2, 1))
    assert orchestrator.course((1, 1)) == [TaskStatus.STOPPED]
    orchestrator.task((1, 1), "work", attempt=2)
    assert orchestrator.output((1, 1)).attempt == 2


def test_reset_of_an_unknown_task_fetches_its_inputs(
    orchestrator: ScriptedOrchestrator, isolation: Isolation
) -> None:
    orchestrator.start("Playful", *isolation)
    orchestrator.owe((4, 1), try_number=3, modality="work", problem_definition="fetched")
    orchestrator.order(task=TaskCommand.RESET, task_id=(4, 1), try_number=3)
    assert orchestrator.output((4, 1)).app_requirements == ["hello", "fetched", "3"]
    status = orchestrator.await_task((4, 1), TaskStatus.SUCCEEDED)
    assert status.try_number == 3
    (request,) = orchestrator.asked
    assert (request.attempt, request.session, request.token) == (1, 42, token_of(1))
    assert (request.node_name, request.instance) == ("app_requirements", status.instance)


def test_reset_of_a_held_or_finished_task_repeats_without_restarting(
    orchestrator: ScriptedOrchestrator,
) -> None:
    orchestrator.start("Playful")
    orchestrator.task((1, 1), "sleep", "0.8")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    orchestrator.order(task=TaskCommand.RESET, task_id=(1, 1))
    orchestrator.await_task((1, 1), TaskStatus.RUNNING, count=2)
    orchestrator.await_task((1, 1), TaskStatus.SUCCEEDED)
    first = orchestrator.output((1, 1))
    orchestrator.outputs.clear()
    orchestrator.order(task=TaskCommand.RESET, task_id=(1, 1))
    orchestrator.await_task((1, 1), TaskStatus.SUCCEEDED, count=2)
    assert orchestrator.output((1, 1)) == first
    orchestrator.task((2, 1), "raise")
    orchestrator.await_task((2, 1), TaskStatus.ERROR)
    orchestrator.order(task=TaskCommand.RESET, task_id=(2, 1))
    again = orchestrator.await_task((2, 1), TaskStatus.ERROR, count=2)
    assert again.error_description == "KeyError: 'no such thing'"
    assert len([note for note in orchestrator.noted() if "process" in note]) == 2
    assert not orchestrator.asked


@pytest.mark.parametrize(("attempt", "try_number"), [(1, 2), (2, 1)])
def test_another_try_or_attempt_starts_over(
    orchestrator: ScriptedOrchestrator, attempt: int, try_number: int
) -> None:
    orchestrator.start("Playful", "-p", "cancel_grace:=0.2")
    orchestrator.task((1, 1), "never")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    orchestrator.owe((1, 1), attempt=attempt, try_number=try_number, modality="work")
    orchestrator.order(
        task=TaskCommand.RESET, task_id=(1, 1), attempt=attempt, try_number=try_number
    )
    output = orchestrator.output((1, 1))
    assert output.attempt == attempt
    assert output.app_requirements[2] == str(try_number)


def test_a_task_that_is_not_owed_is_dropped_quietly(orchestrator: ScriptedOrchestrator) -> None:
    orchestrator.start("Playful")
    orchestrator.order(task=TaskCommand.RESET, task_id=(6, 1))
    assert orchestrator.await_task((6, 1), TaskStatus.STOPPED).error_code == ErrorCode.REJECTED
    orchestrator.await_node(NodeStatus.IDLE)


def test_incomplete_inputs_are_given_back(orchestrator: ScriptedOrchestrator) -> None:
    orchestrator.start("Playful")
    orchestrator.owe((1, 1))
    orchestrator.owed[(1, 1)].user_input.task_id.problem_id = 0
    orchestrator.order(task=TaskCommand.RESET, task_id=(1, 1))
    status = orchestrator.await_task((1, 1), TaskStatus.RETURNED)
    assert "did not return user_input" in status.error_description


def test_a_task_is_given_back_when_nobody_hands_out_its_inputs(
    orchestrator: ScriptedOrchestrator,
) -> None:
    orchestrator.start("Playful", "-p", "fetch_timeout:=0.1")
    orchestrator.hand_out_nothing()
    orchestrator.order(task=TaskCommand.RESET, task_id=(1, 1))
    status = orchestrator.await_task((1, 1), TaskStatus.RETURNED)
    assert status.error_code == ErrorCode.TIMEOUT
    assert status.error_description.endswith("orchestrator/get_inputs within 0.4 s")


def test_an_inactive_module_gives_a_task_back(orchestrator: ScriptedOrchestrator) -> None:
    orchestrator.launch("Playful")
    orchestrator.order(task=TaskCommand.RESET, task_id=(1, 1))
    status = orchestrator.await_task((1, 1), TaskStatus.RETURNED)
    assert status.error_description == "app_requirements is INACTIVE; start it"


def test_a_newer_attempt_replaces_an_older_one(
    orchestrator: ScriptedOrchestrator, isolation: Isolation
) -> None:
    orchestrator.start("Playful", *isolation)
    orchestrator.task((1, 1), "watch")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    orchestrator.task((1, 1), "work", "new", attempt=2)
    output = orchestrator.output((1, 1))
    assert (output.attempt, output.app_requirements[1]) == (2, "new")
    orchestrator.task((1, 1), "work", "old", attempt=1)
    orchestrator.task((2, 1), "work")
    orchestrator.output((2, 1))
    assert len(orchestrator.outputs) == 2


def test_a_new_session_begins_a_new_life(orchestrator: ScriptedOrchestrator) -> None:
    orchestrator.start("Playful", "-p", "cancel_grace:=0.2")
    orchestrator.task((1, 1), "work", "old")
    orchestrator.output((1, 1))
    orchestrator.task((2, 1), "never")
    orchestrator.await_task((2, 1), TaskStatus.RUNNING)
    orchestrator.session = 43
    orchestrator.order(task=TaskCommand.STOP, task_id=(9, 9), command_id=1)
    status = orchestrator.await_task((9, 9), TaskStatus.STOPPED)
    assert (status.session, status.last_command) == (43, 1)
    orchestrator.await_node(NodeStatus.IDLE)
    orchestrator.outputs.clear()
    orchestrator.task((1, 1), "work", "new")
    output = orchestrator.output((1, 1))
    assert (output.session, output.app_requirements[1]) == (43, "new")
    orchestrator.task((3, 1), "work", session=42)
    orchestrator.listen(0.3)
    assert orchestrator.of((3, 1)) == []
