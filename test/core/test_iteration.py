"""A task's steps tell the same packed and open."""

from __future__ import annotations

from support.driver import Driver

from sustainml_orchestrator.core.ids import ErrorCode, TaskCommand, TaskStatus


def test_a_finished_task_keeps_what_its_steps_told(core: Driver) -> None:
    task = core.submit()
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    for name in core.names[:-1]:
        core.output(name, task)
    before = task.records()[:-1]
    core.output(core.names[-1], task)
    assert not task.steps and task.records()[:-1] == before
    assert task.records()[2].instance == "/sustainml/hw_constraints"
    assert {r.task_status for r in task.records()} == {TaskStatus.SUCCEEDED}


def test_a_failed_step_keeps_its_error(core: Driver) -> None:
    task = core.submit()
    core.report("hw_constraints", task, TaskStatus.ERROR, error_code=2, error_description="no")
    record = task.records()[core.names.index("hw_constraints")]
    assert (record.task_status, record.error_code) == (TaskStatus.ERROR, ErrorCode.INVALID_REQUEST)
    assert "no" in record.error_description


def test_an_output_after_the_end_shows_as_done(core: Driver) -> None:
    task = core.submit()
    core.command(task, TaskCommand.STOP)
    core.output("hw_constraints", task)
    assert task.records()[2].task_status is TaskStatus.SUCCEEDED
    assert task.progress == 1 / 6


def test_a_reset_forgets_the_attempt_before(core: Driver) -> None:
    task = core.submit()
    core.finish(task, carbon=1.0)
    core.core.settings.max_active_tasks = 0
    core.command(task, TaskCommand.RESET)
    assert (task.attempt, task.progress, task.finished) == (2, 0.0, 0)
    assert task.carbon != task.carbon and core.core.store.payload_bytes == len(b"input")
