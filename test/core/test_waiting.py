"""What an open task waits for, in words: for how long, until when, which try, which place."""

from __future__ import annotations

import re

from support.driver import Driver

from sustainml_orchestrator.core.ids import ErrorCode, TaskStatus


def reason(core: Driver, task, **options: bool) -> str:
    return core.core.outcome_reason(task, **options)


def test_a_step_that_takes_long_says_for_how_long_and_until_when(core: Driver) -> None:
    task = core.submit()
    core.report("app_requirements", task, TaskStatus.RUNNING)
    assert "app_requirements (working)" in reason(core, task)
    core.beat(2.0, silent=("app_requirements",))
    text = reason(core, task)
    assert "app_requirements (working for 2.0 s, at most 5 min, try 1 of 2)" in text


def test_another_try_is_told_at_once(core: Driver) -> None:
    task = core.submit()
    failure = {"error_code": int(ErrorCode.INTERNAL_ERROR), "error_description": "no"}
    core.report("app_requirements", task, TaskStatus.ERROR, **failure)
    assert "app_requirements (task to be delivered again, try 2 of 2)" in reason(core, task)


def test_a_lost_module_says_how_long_it_is_waited_for(core: Driver) -> None:
    task = core.submit()
    core.report("app_requirements", task, TaskStatus.WAITING)
    core.beat(20.0, silent=("app_requirements",))
    text = reason(core, task)
    assert re.search(r"app_requirements \(task queued for \d+ s, at most 1 min, try 1 of 2\)", text)
    assert "; node app_requirements is INACTIVE (no heartbeat for" in text


def test_the_place_in_the_queue() -> None:
    core = Driver(max_active_tasks=1)
    core.bring_up()
    first, second, third = core.submit(), core.submit(), core.submit(priority=1)
    assert "works" not in reason(core, first)
    assert reason(core, second, with_place=True) == "queued at place 2 of 2; 1 tasks run"
    assert reason(core, third, with_place=True) == "queued at place 1 of 2; 1 tasks run"
    assert reason(core, second) == "queued: 1 tasks run, 2 wait"
