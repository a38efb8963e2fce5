"""TaskManager: the pipeline's flow, admission, commands, stale word, tries and deadlines."""

from __future__ import annotations

import itertools

import pytest
from support.driver import SESSION, Driver

from sustainml_orchestrator.core.commands import (
    AnnounceTask,
    PublishBaseline,
    PublishUserInput,
    SendControl,
)
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import (
    ConsumersMatched,
    DeletionRequested,
    OutputReceived,
    TimePassed,
    UnreadableOutputReceived,
)
from sustainml_orchestrator.core.ids import (
    ErrorCode,
    NodeStatus,
    TaskCommand,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.core.states import TASK_COMMANDS, TASK_MOVES, StepState


def resets(core: Driver) -> list[tuple[str, int]]:
    """(module, try) of every RESET_TASK sent."""
    return [(c.target, c.try_number) for c in core.find(SendControl) if c.cmd_task == 2]


def test_a_task_goes_through_the_pipeline(core: Driver) -> None:
    task = core.submit()
    assert [c.task_id for c in core.find(PublishUserInput)] == [TaskId(1, 1)]
    states = {core.names[s.index]: s.state for s in task.steps}
    assert states["app_requirements"] is StepState.READY
    assert states["ml_model_provider"] is StepState.PENDING
    core.finish(task, carbon=2.5)
    assert task.status is TaskStatus.SUCCEEDED and task.carbon == 2.5 and task.progress == 1
    assert core.find(AnnounceTask)[-1].task_id == task.task_id
    assert not core.find(SendControl)


def test_word_that_overtakes_the_last_input_counts(core: Driver) -> None:
    task = core.submit()
    core.report("ml_model_provider", task, TaskStatus.RUNNING)
    core.output("ml_model_provider", task)
    core.finish(task)
    assert task.status is TaskStatus.SUCCEEDED


def test_only_so_many_run_and_priority_decides(core: Driver) -> None:
    core.core.settings.max_active_tasks = 1
    first, low, high = core.submit(), core.submit(priority=1), core.submit(priority=2)
    assert [t.status.name for t in (first, low, high)] == ["RUNNING", "WAITING", "WAITING"]
    core.finish(first)
    assert (low.status, high.status) == (TaskStatus.WAITING, TaskStatus.RUNNING)


def test_a_full_queue_refuses(core: Driver) -> None:
    core.core.settings.max_active_tasks = core.core.settings.max_waiting_tasks = 1
    core.submit()
    core.submit()
    with pytest.raises(AssertionError, match="RESOURCE_EXHAUSTED"):
        core.submit()
    assert len(core.core.store.problems) == 2


def test_nothing_is_admitted_while_a_module_is_missing(core: Driver) -> None:
    core.beat(4.0, silent=("hw_resources",))
    task = core.submit()
    assert task.status is TaskStatus.WAITING
    assert "hw_resources is INACTIVE (no heartbeat for" in core.core.waiting_reason()
    core.status("hw_resources", NodeStatus.IDLE)
    assert task.status is TaskStatus.RUNNING


def test_user_input_waits_for_its_consumers_but_not_for_long() -> None:
    core = Driver()
    core.give(ConsumersMatched(1))
    for name in core.names:
        core.status(name, NodeStatus.IDLE)
    task = core.submit()
    assert task.status is TaskStatus.WAITING
    core.give(TimePassed(), 1.1)
    assert task.status is TaskStatus.RUNNING


def test_a_repeated_request_id_returns_the_same_task(core: Driver) -> None:
    assert core.submit(request_id="x") is core.submit(request_id="x")


@pytest.mark.parametrize(("status", "command"), list(itertools.product(TaskStatus, TASK_COMMANDS)))
def test_commands_follow_the_table(core: Driver, status: TaskStatus, command: TaskCommand) -> None:
    if status is TaskStatus.RETURNED:
        return  # no state of a task
    task = core.submit()
    if status is TaskStatus.WAITING:
        core.core.settings.max_active_tasks = 0
        core.command(task, TaskCommand.PREEMPT)
    elif status is TaskStatus.SUCCEEDED:
        core.finish(task)
    elif status is TaskStatus.ERROR:
        core.report("hw_constraints", task, TaskStatus.ERROR, error_code=2, error_description="no")
    elif status in (TaskStatus.STOPPED, TaskStatus.TERMINATED):
        how = TaskCommand.STOP if status is TaskStatus.STOPPED else TaskCommand.TERMINATE
        core.command(task, how)
    assert task.status is status
    core.core.settings.max_active_tasks = 0
    revision, attempt = task.revision, task.attempt
    reply = core.command(task, command)
    expected = TASK_MOVES.get((status, TASK_COMMANDS[command]))
    if expected is None:
        assert reply.error is not None and reply.error.code is ErrorCode.REJECTED
        assert (task.status, task.revision) == (status, revision)
    else:
        assert reply.value is expected is task.status
        assert task.attempt == attempt + (command is TaskCommand.RESET)


def test_a_failed_task_that_is_terminated_keeps_the_time_of_its_end(core: Driver) -> None:
    task = core.submit()
    core.report("hw_constraints", task, TaskStatus.ERROR, error_code=2, error_description="no")
    ended = task.finished
    core.beat(50.0)
    core.command(task, TaskCommand.TERMINATE)
    assert task.status is TaskStatus.TERMINATED and task.finished == ended > 0


def test_stop_tells_the_modules_that_may_hold_it(core: Driver) -> None:
    task = core.submit()
    core.output("app_requirements", task)
    core.command(task, TaskCommand.STOP)
    told = {c.target for c in core.find(SendControl) if c.cmd_task is TaskCommand.STOP}
    assert told == set(core.names) - {"app_requirements"}


def test_an_output_for_a_stopped_task_is_stored_and_triggers_nothing(core: Driver) -> None:
    task = core.submit()
    core.command(task, TaskCommand.STOP)
    core.finish(task)
    assert task.status is TaskStatus.STOPPED and None not in task.outputs


def test_work_on_a_task_that_does_not_run_is_stopped_again(core: Driver) -> None:
    task = core.submit()
    core.command(task, TaskCommand.TERMINATE)
    core.forget()
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    (command,) = core.find(SendControl)
    assert (command.target, command.cmd_task) == ("hw_constraints", TaskCommand.TERMINATE)


def test_preempt_keeps_outputs_and_redelivers(core: Driver) -> None:
    task = core.submit()
    core.output("app_requirements", task)
    core.forget()
    core.command(task, TaskCommand.PREEMPT)  # there is room: it runs again at once
    assert task.status is TaskStatus.RUNNING and task.outputs[0] is not None
    core.give(TimePassed())
    assert set(resets(core)) == {("ml_model_metadata", 1), ("hw_constraints", 1)}
    assert not core.find(PublishUserInput)
    core.finish(task)
    assert task.status is TaskStatus.SUCCEEDED


def test_stale_word_is_dropped_and_counted(core: Driver) -> None:
    task = core.submit()
    core.command(task, TaskCommand.RESET)
    token = task.token
    stale = ((1, SESSION, 1), (3, SESSION, token), (2, SESSION + 1, token), (2, SESSION, 1))
    for ids in stale:
        core.give(OutputReceived(0, task.task_id, *ids, b"old"))
    core.give(OutputReceived(0, TaskId(9, 9), 1, SESSION, token, b"?"))
    assert task.outputs[0] is None
    assert core.core.reports.dropped == {
        "output of another attempt": 2,
        "output of another session": 1,
        "output of another token": 1,
        "output of an unknown task": 1,
    }


def test_each_attempt_has_a_token_of_its_own_which_all_messages_carry(core: Driver) -> None:
    task = core.submit()
    first = task.token
    assert first and [c.token for c in core.find(PublishUserInput)] == [first]
    core.forget()
    core.command(task, TaskCommand.RESET)
    told = [c for c in core.find(SendControl) if c.cmd_task is TaskCommand.STOP]
    assert told and {c.token for c in told} == {first}
    assert task.token not in (0, first)
    assert [c.token for c in core.find(PublishUserInput)] == [task.token]
    later = core.submit(base=task.task_id)
    assert {c.token for c in core.find(PublishBaseline)} == {later.token}
    with pytest.raises(OrchestratorError, match="discard every other attempt"):
        core.core.inputs_owed(task.task_id, 2, SESSION, first, "app_requirements")
    core.core.inputs_owed(task.task_id, 2, SESSION, task.token, "app_requirements")


def test_the_first_output_wins(core: Driver) -> None:
    task = core.submit()
    core.output("app_requirements", task)
    core.give(OutputReceived(0, task.task_id, 1, SESSION, task.token, b"another"))
    assert task.outputs[0] == b"app_requirements of 1/1"


def test_a_module_error_gets_another_try_then_fails_the_task(core: Driver) -> None:
    task = core.submit()
    fields = {"error_code": ErrorCode.INTERNAL_ERROR, "error_description": "boom"}
    core.report("hw_constraints", task, TaskStatus.ERROR, **fields)
    core.give(TimePassed())
    assert resets(core) == [("hw_constraints", 2)]
    core.report("hw_constraints", task, TaskStatus.ERROR, **fields)  # of the first try: too late
    assert task.status is TaskStatus.RUNNING
    core.report("hw_constraints", task, TaskStatus.ERROR, try_number=2, **fields)
    assert task.status is TaskStatus.ERROR
    assert task.outcome_reason == "hw_constraints after 2 tries: boom"


def test_invalid_input_is_not_tried_again(core: Driver) -> None:
    task = core.submit()
    core.report(
        "ml_model_metadata", task, TaskStatus.ERROR, error_code=2, error_description="say more"
    )
    assert (task.status, task.error_code) == (TaskStatus.ERROR, ErrorCode.INVALID_REQUEST)


def test_a_step_that_takes_too_long(core: Driver) -> None:
    task = core.submit()
    for try_number in (1, 2):
        core.report("hw_constraints", task, TaskStatus.RUNNING, try_number=try_number)
        core.output("app_requirements", task)
        core.output("ml_model_metadata", task)
        core.beat(301.0)
    assert (task.status, task.error_code) == (TaskStatus.ERROR, ErrorCode.TIMEOUT)
    assert "did not finish within 300 s" in task.error_description


def test_silence_about_a_step_leads_to_redelivery(core: Driver) -> None:
    task = core.submit()
    core.beat(5.5)
    assert set(resets(core)) == {(name, 1) for name in core.names[:3]}
    core.finish(task)
    assert task.status is TaskStatus.SUCCEEDED


def test_success_without_an_output_asks_for_it_again_before_the_work_is_done_again(
    core: Driver,
) -> None:
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    core.report("hw_constraints", task, TaskStatus.SUCCEEDED)
    asked = []
    while ("hw_constraints", 2) not in asked:
        core.beat(0.5)
        for _, try_number in resets(core):
            asked.append(("hw_constraints", try_number))
            core.report("hw_constraints", task, TaskStatus.SUCCEEDED, try_number=try_number)
        core.forget()
    assert asked == [("hw_constraints", 1)] * 3 + [("hw_constraints", 2)]


def test_an_unreadable_output_leads_to_another_try(core: Driver) -> None:
    task = core.submit()
    core.give(UnreadableOutputReceived(2, task.task_id, 1, SESSION, task.token))
    core.give(TimePassed())
    assert resets(core) == [(core.names[2], 2)]


def test_a_respawned_module_gets_what_it_owes(core: Driver) -> None:
    task = core.submit()
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    core.incarnations["hw_constraints"] = 2
    core.status("hw_constraints", NodeStatus.INACTIVE)
    assert task.steps[core.names.index("hw_constraints")].try_number == 2
    core.status("hw_constraints", NodeStatus.IDLE)
    core.give(TimePassed())
    assert ("hw_constraints", 2) in resets(core)
    core.finish(task)
    assert task.status is TaskStatus.SUCCEEDED


def test_a_module_that_stays_away_fails_the_task(core: Driver) -> None:
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    core.beat(70.0, silent=("hw_constraints",))
    assert (task.status, task.error_code) == (TaskStatus.ERROR, ErrorCode.NODE_UNAVAILABLE)
    assert "no heartbeat for" in task.error_description


def test_later_iterations_are_told_their_baselines_once(core: Driver) -> None:
    first = core.submit()
    core.finish(first)
    core.forget()
    second = core.submit(base=first.task_id)
    assert (second.task_id, second.base_task) == (TaskId(1, 2), first.task_id)
    baselines = core.find(PublishBaseline)
    assert [core.names[c.module] for c in baselines] == core.names[3:]
    assert [c.payload for c in baselines] == first.outputs[3:]


def test_delete_needs_a_problem_at_rest(core: Driver) -> None:
    task = core.submit()
    reply = core.ask(DeletionRequested, 1)
    assert reply.error is not None and reply.error.code is ErrorCode.REJECTED
    core.finish(task)
    assert core.ask(DeletionRequested, 1).value == 1
    assert core.ask(DeletionRequested, 1).error.code is ErrorCode.NOT_FOUND
    assert core.submit().task_id == TaskId(2, 1)
