"""What is saved, what waits for it, and what becomes of it when the disk fails."""

from __future__ import annotations

from support.driver import Driver

from sustainml_orchestrator.core.commands import (
    AnnounceTask,
    Command,
    PublishUserInput,
    Reply,
    Save,
    SendControl,
)
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.events import (
    BatchEnded,
    DeletionRequested,
    Event,
    Persisted,
    PersistFailed,
    TaskCommanded,
    TaskSubmitted,
    TimePassed,
)
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskCommand, TaskId
from sustainml_orchestrator.core.persistence import ID_BLOCK, LONGEST_SAVE, RETRY_PERIOD
from sustainml_orchestrator.core.validation import validate

FULL = "the disk is full; make room"


class Journalled(Driver):
    """A core whose saves are answered by hand."""

    def __init__(self) -> None:
        super().__init__(journalled=True)
        self.bring_up()

    def handle(self, *events: Event, after: float = 0.001) -> list[Command]:
        """What may be carried out after these events."""
        commands: list[Command] = []
        for event in events:
            self.now += after
            commands += self.core.handle(event, Instant(self.now, int(self.now * 1e9)))
            validate(self.core)
        return commands

    def saves(self, commands: list[Command]) -> Save:
        """The one save among these commands."""
        (save,) = (c for c in commands if isinstance(c, Save))
        return save

    def persist(self, save: Save) -> None:
        """The disk takes this save, and those that follow."""
        for command in self.handle(Persisted(save.number)):
            if isinstance(command, Save):
                self.persist(command)

    def submitted(self, call: int = 1, base: TaskId = NO_TASK, request_id: str = "") -> Save:
        event = TaskSubmitted(call, b"input", "a problem", request_id=request_id, base_task=base)
        return self.saves(self.handle(event, BatchEnded()))


def kinds(commands: list[Command]) -> set[type]:
    return {type(command) for command in commands}


def test_nobody_hears_of_a_task_before_it_is_saved() -> None:
    core = Journalled()
    commands = core.handle(TaskSubmitted(1, b"input", "a problem"))
    assert not kinds(commands) & {Reply, PublishUserInput, AnnounceTask, SendControl, Save}
    save = core.saves(core.handle(BatchEnded()))
    assert save.tasks[0].user_input == b"input" and save.synchronous
    told = core.handle(Persisted(save.number))
    assert {Reply, PublishUserInput, AnnounceTask} <= kinds(told)
    assert next(c for c in told if isinstance(c, Reply)).value == TaskId(1, 1)
    assert core.core.persistence.unsaved == 0


def test_what_comes_meanwhile_is_saved_next_and_told_after_that() -> None:
    core = Journalled()
    first = core.submitted(1)
    assert not core.handle(TaskSubmitted(2, b"input", "another"), BatchEnded())
    assert core.core.persistence.unsaved == first.number + 1
    told = core.handle(Persisted(first.number))
    second = core.saves(told)
    assert [c.call for c in told if isinstance(c, Reply)] == [1]
    assert [len(s.tasks) for s in (first, second)] == [1, 1]
    assert [c.call for c in core.handle(Persisted(second.number)) if isinstance(c, Reply)] == [2]


def test_the_input_of_a_saved_attempt_does_not_wait_for_the_admission_to_be_saved() -> None:
    core = Journalled()
    core.core.settings.max_active_tasks = 1
    for call in (1, 2):
        core.persist(core.submitted(call))

    def inputs(commands: list[Command]) -> list[tuple[TaskId, int]]:
        return [(c.task_id, c.attempt) for c in commands if isinstance(c, PublishUserInput)]

    stop = TaskCommanded(3, TaskId(1, 1), TaskCommand.STOP)
    told = core.handle(stop, BatchEnded())
    assert inputs(told) == [(TaskId(2, 1), 1)]
    assert not kinds(told) & {Reply, AnnounceTask, SendControl}
    core.persist(core.saves(told))
    told = core.handle(TaskCommanded(4, TaskId(2, 1), TaskCommand.RESET), BatchEnded())
    assert not inputs(told), "nobody knows this attempt after a crash"
    assert inputs(core.handle(Persisted(core.saves(told).number))) == [(TaskId(2, 1), 2)]


def test_a_summary_waits_for_all_that_it_shows() -> None:
    core = Journalled()
    first = core.submitted()
    stop = TaskCommanded(2, TaskId(1, 1), TaskCommand.STOP)
    core.handle(stop, BatchEnded())
    told = core.handle(Persisted(first.number))
    assert core.core.persistence.shows_unsaved(TaskId(1, 1))
    assert not any(isinstance(c, AnnounceTask) for c in told)
    assert AnnounceTask in kinds(core.handle(Persisted(core.saves(told).number)))


def test_ids_are_reserved_ahead_of_their_use() -> None:
    core = Journalled()
    first = core.submitted()
    core.persist(first)
    assert first.synchronous and first.reserved_problem_id > ID_BLOCK
    core.core.store.next_problem_id = first.reserved_problem_id - ID_BLOCK // 4
    second = core.submitted(2)
    assert second.synchronous and second.reserved_problem_id > first.reserved_problem_id
    core.persist(second)
    assert not core.submitted(3).synchronous


def test_what_cannot_be_saved_is_refused_and_nothing_of_it_stays() -> None:
    core = Journalled()
    kept = core.submitted()
    core.persist(kept)
    refused = core.submitted(2, TaskId(1, 1), "once")
    told = core.handle(PersistFailed(refused.number, FULL))
    (reply,) = (c for c in told if isinstance(c, Reply))
    assert reply.error is not None and reply.error.code is ErrorCode.RESOURCE_EXHAUSTED
    assert reply.error.message == FULL
    assert not kinds(told) & {PublishUserInput, AnnounceTask}
    store = core.core.store
    assert [task.task_id for task in store.problem(1)] == [TaskId(1, 1)]
    assert store.by_request("once") is None and store.payload_bytes == len(b"input")
    (reply,) = core.handle(TaskSubmitted(3, b"input", "another"))
    assert isinstance(reply, Reply) and reply.error is not None
    again = core.saves(core.handle(TimePassed(), after=RETRY_PERIOD))
    assert len(again.withdrawn) == 1  # in case that it was written in spite of the error
    core.persist(again)
    assert core.core.persistence.failed == ""
    assert core.submitted(4, TaskId(1, 1)).tasks[0].record[1:3] == (1, 2)


def test_an_older_iteration_than_the_last_is_terminated_instead() -> None:
    core = Journalled()
    first = core.submitted()
    core.persist(first)
    second = core.submitted(2, TaskId(1, 1))
    core.core.tasks.create(TaskSubmitted(0, b"", "follows by itself"), TaskId(1, 1))
    core.handle(PersistFailed(second.number, FULL))
    assert [t.status.name for t in core.core.store.problem(1)][1] == "TERMINATED"


def test_what_is_saved_goes_on_while_the_disk_fails() -> None:
    core = Journalled()
    for call in (1, 2):
        core.persist(core.submitted(call))
    stopped = core.handle(TaskCommanded(3, TaskId(1, 1), TaskCommand.STOP), BatchEnded())
    told = core.handle(PersistFailed(core.saves(stopped).number, FULL))
    assert {Reply, AnnounceTask, SendControl} <= kinds(told)
    told = core.handle(DeletionRequested(4, 1), BatchEnded())
    assert Reply in kinds(told) and Save not in kinds(told)
    again = core.saves(core.handle(TimePassed(), after=RETRY_PERIOD))
    assert again.forgotten == (1,)
    core.handle(PersistFailed(again.number, FULL))
    assert core.saves(core.handle(TimePassed(), after=RETRY_PERIOD)).forgotten == (1,)


def test_nobody_waits_for_a_disk_that_hangs() -> None:
    core = Journalled()
    core.persist(core.submitted())
    save = core.submitted(2)
    core.handle(TaskCommanded(3, TaskId(1, 1), TaskCommand.STOP))
    replies: list[Reply] = []
    for _ in range(int(LONGEST_SAVE / 0.25) + 2):
        commands = core.handle(TimePassed(), after=0.25)
        replies += [c for c in commands if isinstance(c, Reply)]
    by_call = {reply.call: reply.error for reply in replies}
    assert by_call[2] is not None and "has not answered" in by_call[2].message
    assert by_call[3] is None
    told = core.handle(Persisted(save.number))
    assert core.core.persistence.failed == "" and PublishUserInput in kinds(told)
