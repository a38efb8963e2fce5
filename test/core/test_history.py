"""The history as the core records it: every move, in order, within its limits."""

from __future__ import annotations

import pytest
from support.driver import Driver

from sustainml_orchestrator.core import happenings
from sustainml_orchestrator.core.commands import HistoryEvent, Reply, Save
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.events import (
    BatchEnded,
    DeletionRequested,
    HistoryRead,
    NodeCommanded,
    Persisted,
    PersistFailed,
    Restored,
    TaskSubmitted,
    TimePassed,
)
from sustainml_orchestrator.core.ids import (
    NO_TASK,
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.core.states import (
    LADDER_MOVES,
    RECOVERY_MOVES,
    STEP_MOVES,
    TASK_MOVES,
    RecoveryLevel,
)


def history(core: Driver, task_id: TaskId = NO_TASK, node: str = "") -> list[HistoryEvent]:
    return core.core.context.history.find(task_id, node, limit=10_000)


def names(events: list[HistoryEvent]) -> list[str]:
    return [event.event for event in events]


def test_every_move_of_the_tables_has_a_name_or_says_why_not() -> None:
    used = {happenings.OF_TASK_MOVES[how] for _, how in TASK_MOVES}
    used |= {happenings.of_step(how, state) for (_, how), state in STEP_MOVES.items()}
    used |= {happenings.OF_RECOVERY_MOVES[how] for _, how in RECOVERY_MOVES}
    for (_, how), level in LADDER_MOVES.items():
        if how not in happenings.UNRECORDED:
            used.add(happenings.OF_LADDER_LEVELS[level])
    assert RecoveryLevel.NONE not in happenings.OF_LADDER_LEVELS
    used |= set(happenings.OF_NODE_STATUSES.values()) | set(happenings.OF_NODE_COMMANDS.values())
    assert set(happenings.OF_NODE_STATUSES) == set(NodeStatus)
    assert used - {""} <= happenings.HAPPENINGS.keys()
    others = {getattr(happenings, name) for name in dir(happenings) if name.isupper()
              and isinstance(getattr(happenings, name), str)}  # fmt: skip
    assert used | others >= happenings.HAPPENINGS.keys(), "a name that nothing has"


def test_the_life_of_a_task(core: Driver) -> None:
    task = core.submit(priority=3)
    core.report("app_requirements", task, TaskStatus.WAITING)
    core.report("app_requirements", task, TaskStatus.RUNNING)
    core.finish(task)
    events = history(core, task.task_id)
    assert names(events)[:2] == ["task.submitted", "task.admitted"]
    assert events[0].detail == "priority 3"
    assert names(events)[-1] == "task.succeeded"
    of_one = history(core, task.task_id, "app_requirements")
    assert names(of_one) == ["step.delivered", "step.queued", "step.started", "step.finished"]
    assert {(e.attempt, e.try_number) for e in of_one} == {(1, 1)}
    assert of_one[2].instance == "/sustainml/app_requirements"
    assert names(events).count("step.finished") == len(core.names)
    revisions = [event.revision for event in history(core)]
    assert revisions == sorted(set(revisions))
    assert task.revision == events[-1].revision


def test_tries_and_their_reasons(core: Driver) -> None:
    task = core.submit()
    told = {"error_code": int(ErrorCode.INTERNAL_ERROR), "error_description": "no \x1b[31mluck"}
    core.report("app_requirements", task, TaskStatus.ERROR, **told)
    retried = [e for e in history(core, task.task_id) if e.event == "step.retried"]
    assert [(e.try_number, e.error_code) for e in retried] == [(2, ErrorCode.INTERNAL_ERROR)]
    assert retried[0].detail == r"try 1 failed: no \x1b[31mluck"
    core.report("app_requirements", task, TaskStatus.ERROR, try_number=2, **told)
    failed = history(core, task.task_id)[-1]
    assert (failed.event, failed.error_code) == ("task.failed", ErrorCode.INTERNAL_ERROR)
    assert "app_requirements after 2 tries" in failed.detail


def test_credentials_are_left_out_and_long_texts_cut(core: Driver) -> None:
    task = core.submit()
    text = "https://me:geheim@host/x failed; " + "x" * 10_000
    core.report("app_requirements", task, TaskStatus.ERROR, error_description=text)
    (retried,) = [e for e in history(core, task.task_id) if e.event == "step.retried"]
    assert "geheim" not in retried.detail and len(retried.detail) <= 300


def test_commands_deletion_and_another_attempt(core: Driver) -> None:
    task = core.submit()
    for command in (TaskCommand.PREEMPT, TaskCommand.STOP, TaskCommand.RESET, TaskCommand.STOP):
        core.command(task, command)
    core.ask(DeletionRequested, task.task_id.problem_id)
    told = [e for e in history(core, task.task_id) if e.event.startswith("task.")]
    assert names(told) == [
        "task.submitted", "task.admitted", "task.preempted", "task.admitted", "task.stopped",
        "task.reset", "task.admitted", "task.stopped", "task.deleted",
    ]  # fmt: skip
    assert [event.attempt for event in told] == [1, 1, 1, 1, 1, 2, 2, 2, 2]


def test_the_life_of_a_node() -> None:
    core = Driver()
    core.bring_up()
    assert names(history(core, node="hw_resources")) == [
        "node.appeared", "node.initializing", "node.started",
    ]  # fmt: skip
    core.beat(4.0, silent=("hw_resources",))
    core.status("hw_resources", NodeStatus.IDLE)
    core.incarnations["hw_resources"] = 2
    core.status("hw_resources", NodeStatus.INACTIVE)
    told = history(core, node="hw_resources")[3:]
    assert names(told) == ["node.lost", "node.recovered", "node.lost", "node.respawned"]
    assert told[0].detail.startswith("no heartbeat for 3.")
    assert told[0].error_code == ErrorCode.NODE_UNAVAILABLE
    assert {event.instance for event in told} == {"/sustainml/hw_resources"}


def test_errors_and_resets_of_a_node(core: Driver) -> None:
    start = len(history(core))
    error = {"error_code": 1, "error_description": "out of memory"}
    for _ in range(6):
        core.status("hw_resources", NodeStatus.ERROR, last_command=10**6, **error)
        for _ in range(6):
            core.beat(2.0)
    told = names(history(core)[start:])
    assert told[0] == "node.error" and told.count("node.reset") == 3
    assert told.count("node.reset_planned") == 3 and told[-1] == "node.given_up"


def test_a_front_ends_command_is_told_once(core: Driver) -> None:
    start = core.core.context.history.last
    core.give(NodeCommanded(1, "hw_resources", NodeCommand.STOP, 30.0))
    core.beat(7.0)  # it does not obey: the command is repeated
    told = names(core.core.context.history.since(start))
    assert told.count("node.stop_requested") == 1


def test_the_oldest_are_dropped() -> None:
    core = Driver(history_max_events=50, history_max_age=60.0)
    core.bring_up()
    for _ in range(5):
        core.finish(core.submit())
    events = history(core)
    assert len(events) == 50 and names(events)[-1] == "task.succeeded"
    core.beat(61.0)
    assert history(core) == []
    core.submit()
    assert names(history(core))[0] == "task.submitted"


def test_a_clock_that_is_set_wrongly_drops_nothing() -> None:
    core = Driver(history_max_age=60.0)
    core.bring_up()
    core.finish(core.submit())
    before = history(core)
    core.beat(30.0)
    for days in (400, 400, 0):
        core.now += 0.1
        stamp = core.now + days * 86400.0
        core.core.handle(TimePassed(), Instant(core.now, int(stamp * 1e9)))
        assert history(core) == before
    core.beat(59.0)
    assert history(core) == before
    core.beat(3.0)
    assert history(core) == []


@pytest.mark.parametrize(
    ("days", "is_dropped"),
    [
        ([0, 40, 40.5, 41, 41.2], True),
        ([0, 40, 40.5], False),  # the clock may have leapt by 40 days just before this start
        ([0, 40, 40.5, 43], False),  # or a moment ago
        ([0, 4000, 4000.5, 40, 41, 41.2], False),  # it was set back: a day has to pass again
        ([0], False),
    ],
)
def test_age_counts_at_once_after_a_start_where_the_events_show_that_the_clock_is_right(
    days: list[float], is_dropped: bool
) -> None:
    """The last of the days is that of the start, the others those of events."""
    stamps = [10**18 + int(day * 86400e9) for day in days]
    events = [
        HistoryEvent(stamp, number, NO_TASK, "first", "", 0, 0, "node.appeared", 0, "")
        for number, stamp in enumerate(stamps[:-1], 1)
    ]
    core = Driver(journalled=True).core
    core.handle(Restored(revision=9, history=events), Instant(5.0, stamps[-1]))
    core.handle(TimePassed(), Instant(6.0, stamps[-1] + 10**9))
    kept = core.context.history.since(0)[: len(events)]
    assert kept == (events[1:] if is_dropped else events)


def test_none_is_kept_where_none_is_wanted() -> None:
    core = Driver(history_max_events=0)
    core.bring_up()
    core.finish(core.submit())
    assert history(core) == []


def test_pages(core: Driver) -> None:
    first, second = core.submit(), core.submit()
    find = core.core.context.history.find
    whole = history(core)
    pages, last = [], 0
    while page := find(after_revision=last, limit=3):
        pages += page
        last = page[-1].revision
    assert pages == whole
    assert find(limit=2, newest_first=True) == whole[:-3:-1]
    assert {e.task_id for e in find(TaskId(2, 0), limit=100)} == {second.task_id}
    assert {e.task_id for e in find(first.task_id, limit=100)} == {first.task_id}


def saves(core: Driver) -> list[Save]:
    return [command for command in core.released if isinstance(command, Save)]


def test_it_is_saved_with_the_change_and_restored() -> None:
    core = Driver(journalled=True)
    core.bring_up()
    core.give(TaskSubmitted(1, b"input", "a problem"))
    core.give(BatchEnded())
    (save,) = saves(core)
    assert tuple(history(core)) == tuple(save.history.events) and save.history.after == 0
    core.give(Persisted(save.number))
    core.core.context.history.task(core.core.store.get(TaskId(1, 1)), "task.admitted")
    core.give(HistoryRead(9))
    assert not [c for c in core.released if isinstance(c, Reply)], "answered before it is saved"
    core.give(BatchEnded())
    (second,) = saves(core)
    assert second.history.after == save.history.events[-1].revision
    core.give(Persisted(second.number))
    assert [c.call for c in core.released if isinstance(c, Reply)] == [9]
    again = Driver(journalled=True)
    events = [*save.history.events, *second.history.events]
    again.give(Restored(revision=events[-1].revision, history=events))
    assert history(again) == events
    again.submit()
    assert again.core.context.history.last > events[-1].revision


def test_events_do_not_wait_for_another_change_for_long() -> None:
    core = Driver(journalled=True)
    core.status("hw_resources", NodeStatus.INACTIVE)
    for _ in range(3):
        core.give(TimePassed(), 0.5)
    core.give(BatchEnded())
    (save,) = saves(core)
    assert [e.event for e in save.history.events] == ["node.appeared"]
    core.give(Persisted(save.number))
    core.give(TimePassed(), 10.0)
    core.give(BatchEnded())
    assert not [s for s in saves(core) if not s.history.events], "saved for nothing"


def test_what_was_not_saved_leaves_no_trace() -> None:
    core = Driver(journalled=True)
    core.bring_up()
    core.give(TaskSubmitted(1, b"input", "a problem"))
    core.give(BatchEnded())
    (save,) = saves(core)
    core.give(PersistFailed(save.number, "the disk is full"))
    assert not [e for e in history(core) if e.task_id != NO_TASK]
    core.give(TimePassed(), 1.1)
    (again,) = saves(core)
    assert again.history.after == 0 and "node.started" in names(list(again.history.events))
