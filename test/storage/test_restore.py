"""What comes back after a restart: everything that was committed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from support.histories import AUTO, NAMES, PIPELINE, Driver, contents

from sustainml_orchestrator.core.commands import SendControl
from sustainml_orchestrator.core.events import NodeCommanded, TimePassed
from sustainml_orchestrator.core.ids import NodeCommand, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.storage import Journal

Opened = Callable[..., Journal]


def test_a_new_journal_is_empty_and_keeps_its_session(opened: Opened) -> None:
    first = opened()
    session = first.session
    assert 0 < session < 2**32
    assert first.warnings == []
    assert opened().session == session


def test_everything_comes_back(opened: Opened) -> None:
    journal = opened()
    before = Driver(journal.session, journal)
    before.bring_up()
    solved = before.submit(request_id="r1")
    before.solve(solved)
    before.solve(before.submit(base=solved, goal=AUTO, priority=3))
    failed = before.submit()
    before.fail(failed, 1)
    before.command(failed, TaskCommand.RESET)
    gone = before.submit()
    before.command(gone, TaskCommand.TERMINATE)
    before.delete(gone.problem_id)
    after = Driver.restored(opened(), started_at=1e6)
    assert contents(after.core) == contents(before.core)
    assert after.core.store.revision >= before.core.store.revision
    assert after.core.store.by_request("r1") == solved
    for task_id in (solved, failed):  # nothing that an iteration has was forgotten
        assert all(hasattr(after.core.store.get(task_id), name) for name in Task.__slots__)
    assert after.submit().problem_id == gone.problem_id + 1


def test_running_tasks_go_on_with_the_same_try(opened: Opened) -> None:
    journal = opened()
    before = Driver(journal.session, journal)
    before.bring_up()
    task_id = before.submit()
    before.work(task_id, 0)
    after = Driver.restored(opened(), started_at=1e6)
    after.bring_up()
    told = [
        (c.target, c.task_id, c.attempt, c.try_number)
        for c in after.commands
        if isinstance(c, SendControl) and c.cmd_task is TaskCommand.RESET
    ]
    assert told == [("limits", task_id, 1, 1)]
    after.work(task_id, 1)
    after.work(task_id, 2)
    assert after.core.store.get(task_id).status is TaskStatus.SUCCEEDED


def deliveries(journal: Journal) -> list[tuple[int]]:
    """What outputs told that no row of an iteration tells."""
    return journal._connection.execute("SELECT id FROM deliveries ORDER BY id").fetchall()


def test_what_outputs_told_is_kept_until_the_row_of_the_iteration_tells_it(opened: Opened) -> None:
    journal = opened()
    before = Driver(journal.session, journal)
    before.bring_up()
    task_id = before.submit()
    before.work(task_id, 1, quality=0.5, model="sm\0äll", hw_description="\0", latency=-0.0)
    before.work(task_id, 0, quality=0.25)
    assert deliveries(journal) == [(0,), (1,)]
    told = before.core.store.get(task_id)
    journal = opened()
    after = Driver.restored(journal, started_at=1e6)
    assert contents(after.core) == contents(before.core)
    task = after.core.store.get(task_id)
    assert (task.quality, task.progress) == (0.25, 2 / 3)
    assert (task.model, task.hw_description) == ("sm\0äll", "\0")
    assert task.revision >= told.revision
    after.bring_up()
    after.work(task_id, 2)
    assert task.status is TaskStatus.SUCCEEDED
    assert deliveries(journal) == []
    assert contents(Driver.restored(opened()).core) == contents(after.core)


def test_a_module_that_is_new_in_the_pipeline_delivers(opened: Opened) -> None:
    journal = opened()
    before = Driver(journal.session, journal)
    before.bring_up()
    task_id = before.submit()
    data = {
        "modules": {
            **{
                m.name: {"inputs": ["user_input"], "output_type": m.output_type}
                for m in PIPELINE.modules
            },
            "extra": {"inputs": ["user_input"], "output_type": "HWResource"},
        }
    }
    longer = Pipeline.from_data(data, "test")
    names = tuple(longer.by_name)
    middle = Driver.restored(opened(pipeline_names=names), pipeline=longer)
    middle.bring_up()
    middle.work(task_id, 3)
    assert deliveries(middle.journal) == [(3,)]
    after = Driver.restored(opened(pipeline_names=names), pipeline=longer)
    assert contents(after.core) == contents(middle.core)


def test_a_node_stopped_on_purpose_stays_so(opened: Opened) -> None:
    journal = opened()
    before = Driver(journal.session, journal)
    before.bring_up()
    before.do(NodeCommanded(1, "limits", NodeCommand.STOP, 5.0))
    for _ in range(2):
        after = Driver.restored(opened(), started_at=1e6)
        desired = {node.name: node.desired_active for node in after.core.lifecycle.nodes}
        assert [name for name, active in desired.items() if not active] == ["limits"]
    after.bring_up()
    assert not after.core.lifecycle.by_name["limits"].desired_active
    after.do(NodeCommanded(2, "limits", NodeCommand.START, 5.0))
    again = Driver.restored(opened())
    assert again.core.lifecycle.by_name["limits"].desired_active


def test_waiting_tasks_keep_their_order(opened: Opened) -> None:
    journal = opened()
    before = Driver(journal.session, journal)
    before.bring_up()
    for priority in (0, 0, 0, 1, 5, 1, 0):
        before.submit(priority=priority)
    before.command(TaskId(1, 1), TaskCommand.PREEMPT)  # goes behind its equals
    after = Driver.restored(opened(), started_at=1e6)
    queues = [[d.core.tasks.waiting.pop().task_id for _ in range(4)] for d in (before, after)]
    assert queues[0] == queues[1]
    assert queues[0][-1] == TaskId(1, 1)


def test_outputs_of_an_earlier_attempt_do_not_come_back(opened: Opened) -> None:
    journal = opened()
    before = Driver(journal.session, journal)
    before.bring_up()
    task_id = before.submit()
    before.solve(task_id)
    before.command(task_id, TaskCommand.RESET)
    after = Driver.restored(opened())
    task = after.core.store.get(task_id)
    assert task.attempt == 2
    assert task.outputs == [None, None, None]


def test_revisions_that_were_announced_are_not_used_again(opened: Opened) -> None:
    journal = opened()
    before = Driver(journal.session, journal)
    before.core.store.revision = 2**40  # as after a long life
    before.do(TimePassed())
    before.core.store.revision += 1000  # told of progress alone
    after = Driver.restored(opened())
    assert after.core.store.revision > 2**40 + 1000


def test_the_pipeline_may_change(opened: Opened) -> None:
    journal = opened()
    before = Driver(journal.session, journal)
    before.bring_up()
    solved, running = before.submit(), before.submit()
    before.solve(solved)
    before.work(running, 0, b"words of it")
    data = {
        "modules": {
            "extra": {"inputs": ["user_input"], "output_type": "HWResource"},
            "words": {"inputs": ["user_input"], "output_type": "MLModelMetadata"},
        }
    }
    changed = Pipeline.from_data(data, "test")
    journal = opened(pipeline_names=("extra", "words"))
    assert len(journal.warnings) == 1
    assert "limits, model are kept but not shown" in journal.warnings[0]
    after = Driver.restored(journal, pipeline=changed)
    assert after.core.store.get(running).outputs == [None, b"words of it"]
    assert after.core.store.get(solved).records()[1].instance == "/ns/words"
    after.bring_up()
    after.work(running, 0, b"extra of it")
    assert after.core.store.get(running).status is TaskStatus.SUCCEEDED
    again = Driver.restored(opened())
    assert again.core.store.get(solved).outputs[2] == f"{solved} 2".encode() * 9
    assert PIPELINE.modules[2].name == "model"


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("work"), st.integers(0, 5), st.integers(0, 2)),
        st.tuples(st.just("fail"), st.integers(0, 5), st.integers(0, 2)),
        st.tuples(st.just("solve"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("command"), st.integers(0, 5), st.sampled_from(list(TaskCommand)[1:])),
        st.tuples(st.just("delete"), st.integers(1, 4), st.just(0)),
    ),
    max_size=25,
)


def _play(driver: Driver, steps: list[tuple[str, int, int]]) -> None:
    driver.bring_up()
    for what, number, detail in steps:
        if what == "submit":
            base = TaskId(detail, 0) if detail in driver.core.store.problems else TaskId(0, 0)
            base = driver.core.store.get(base).task_id if base.problem_id else base
            goal = {"goal": AUTO} if number == 3 else {}
            driver.submit(f"p{number}", base, priority=number, request_id=f"r{number}", **goal)
        elif what == "delete":
            driver.delete(number)
        else:
            items = driver.core.store._all.items
            if items:
                task_id = items[number % len(items)].task_id
                details = () if what == "solve" else (detail,)
                getattr(driver, what)(task_id, *details)


@settings(max_examples=30, deadline=None)
@given(first=_STEPS, second=_STEPS)
def test_any_history_comes_back(
    first: list[tuple[str, int, int]], second: list[tuple[str, int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        journal = Journal.open(path, pipeline_names=NAMES)
        driver = Driver(journal.session, journal)
        for steps in (first, second, []):
            _play(driver, steps)
            before = contents(driver.core)
            journal.close()
            journal = Journal.open(path, pipeline_names=NAMES)
            driver = Driver.restored(journal, started_at=driver.now + 1000)
            assert journal.warnings == []
            assert contents(driver.core) == before
        journal.close()


def test_full_durability(opened: Opened) -> None:
    journal = opened(durability="full")
    before = Driver(journal.session, journal)
    before.bring_up()
    before.solve(before.submit())
    assert contents(Driver.restored(opened()).core) == contents(before.core)


def test_deleted_problems_stay_deleted_and_their_ids_unused(opened: Opened) -> None:
    journal = opened()
    before = Driver(journal.session, journal)
    before.bring_up()
    for _ in range(2):
        before.solve(before.submit())
    before.delete(2)
    after = Driver.restored(opened())
    assert list(after.core.store.problems) == [1]
    assert after.submit() == TaskId(3, 1)
    again = Driver.restored(opened())
    assert list(again.core.store.problems) == [1, 3]
