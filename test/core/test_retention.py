"""Retention: the oldest finished problems go first."""

from __future__ import annotations

from support.driver import Driver

from sustainml_orchestrator.core.commands import ForgetProblem


def problems(core: Driver) -> list[int]:
    return list(core.core.store.problems)


def test_all_is_kept_by_default(core: Driver) -> None:
    for _ in range(20):
        core.finish(core.submit())
    assert len(problems(core)) == 20 and not core.find(ForgetProblem)


def test_so_many_problems_are_kept(core: Driver) -> None:
    core.core.settings.max_problems = 3
    for _ in range(6):
        core.finish(core.submit())
    assert problems(core) == [4, 5, 6]
    assert [c.problem_id for c in core.find(ForgetProblem)] == [1, 2, 3]


def test_what_is_open_stays_however_old(core: Driver) -> None:
    core.core.settings.max_problems = 2
    old = core.submit()
    for _ in range(4):
        core.finish(core.submit())
    assert problems(core) == [1, 5]
    core.finish(old)
    core.submit()
    assert problems(core) == [5, 6]


def test_what_just_ended_stays_for_its_end_to_be_told(core: Driver) -> None:
    core.core.settings.max_problems = 1
    tasks = [core.submit() for _ in range(3)]
    for task in tasks:
        core.finish(task)
        assert core.core.store.find(task.task_id) is task
    assert problems(core) == [3]


def test_so_many_bytes_are_kept(core: Driver) -> None:
    core.finish(core.submit())
    one = core.core.store.payload_bytes
    core.core.settings.max_payload_bytes = 2 * one + 10
    for _ in range(5):
        core.finish(core.submit())
    assert problems(core) == [5, 6]
    assert core.core.store.payload_bytes <= 2 * one + 10
