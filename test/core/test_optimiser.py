"""What follows a finished iteration by itself."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.driver import Driver

from sustainml_orchestrator.core.events import DeletionRequested, OptimisationGoal
from sustainml_orchestrator.core.ids import NO_TASK, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.task import Task


def run(core: Driver, goal: OptimisationGoal, footprints: list[float]) -> list[Task]:
    """The iterations that follow when each has the next of these carbon footprints."""
    task = core.submit(goal=goal)
    tasks = [task]
    for number, carbon in enumerate(footprints):
        task.model = f"model {number}"
        core.finish(task, carbon=carbon)
        if task.next_task == NO_TASK:
            break
        task = core.core.store.get(task.next_task)
        tasks.append(task)
    return tasks


def test_each_alternative_leaves_out_the_models_used_so_far(core: Driver) -> None:
    tasks = run(core, OptimisationGoal(num_outputs=3, model_restrains=("x",)), [1, 2, 3, 4])
    assert [t.task_id for t in tasks] == [TaskId(1, 1), TaskId(1, 2), TaskId(1, 3)]
    assert [t.base_task for t in tasks] == [NO_TASK, TaskId(1, 1), TaskId(1, 2)]
    goal = tasks[-1].goal
    assert isinstance(goal, OptimisationGoal)
    assert goal.model_restrains == ("x", "model 0", "model 1")
    assert "2 more proposals follow" in tasks[0].outcome_reason


def test_the_search_ends_at_the_target(core: Driver) -> None:
    tasks = run(core, OptimisationGoal(auto=True, desired_carbon_footprint=1.0), [3, 2, 0.9, 0.1])
    assert len(tasks) == 3
    assert tasks[-1].outcome_reason == "target of 1 kgCO2e met: best is 1/3 with 0.9 kgCO2e"


def test_the_search_ends_when_nothing_gets_better_and_goes_on_from_the_best(core: Driver) -> None:
    tasks = run(core, OptimisationGoal(auto=True), [3, 1, 2, 2, 2])
    assert len(tasks) == 4
    assert [t.base_task.iteration_id for t in tasks] == [0, 1, 2, 2]
    assert "2 iterations in a row did not improve" in tasks[-1].outcome_reason
    assert core.core.optimiser.best(tasks[-1]) is tasks[1]


def test_nothing_is_less_than_nothing(core: Driver) -> None:
    tasks = run(core, OptimisationGoal(auto=True), [0.0] * 9)
    assert len(tasks) == 3 and "did not improve" in tasks[-1].outcome_reason


def test_the_search_ends_after_so_many_iterations(core: Driver) -> None:
    core.core.settings.max_auto_iterations = 4
    tasks = run(core, OptimisationGoal(auto=True), [9, 8, 7, 6, 5, 4])
    assert len(tasks) == 4 and "max_auto_iterations (4) reached" in tasks[-1].outcome_reason


def test_without_a_footprint_there_is_no_search(core: Driver) -> None:
    (task,) = run(core, OptimisationGoal(auto=True), [float("nan")])
    assert "no carbon footprint" in task.outcome_reason


def test_a_failure_names_the_best_so_far(core: Driver) -> None:
    first = core.submit(goal=OptimisationGoal(auto=True))
    core.finish(first, carbon=2.0)
    second = core.core.store.get(first.next_task)
    core.report("hw_constraints", second, TaskStatus.ERROR, error_code=2, error_description="no")
    assert second.outcome_reason.endswith("; the best so far is 1/1 with 2 kgCO2e")


@pytest.mark.parametrize("command", [TaskCommand.STOP, TaskCommand.TERMINATE])
def test_a_search_can_be_stopped_and_names_the_best_so_far(
    core: Driver, command: TaskCommand
) -> None:
    tasks = run(core, OptimisationGoal(auto=True), [3, 2])
    core.command(tasks[-1], command)
    reason = f"{command.name}_TASK on request; the best so far is 1/2 with 2 kgCO2e"
    assert tasks[-1].outcome_reason == reason
    assert len(core.core.store.problem(1)) == 3 and not core.core.tasks.running


def test_a_stopped_search_goes_on_when_its_last_iteration_is_reset(core: Driver) -> None:
    tasks = run(core, OptimisationGoal(auto=True), [3])
    core.command(tasks[-1], TaskCommand.STOP)
    core.command(tasks[-1], TaskCommand.RESET)
    core.finish(tasks[-1], carbon=1.0)
    assert core.core.store.get(tasks[-1].next_task).base_task == tasks[-1].task_id


def test_an_iteration_started_by_hand_takes_over(core: Driver) -> None:
    """The search under way ends with what it is at; that of the newcomer goes its own way."""
    tasks = run(core, OptimisationGoal(auto=True), [3])
    by_hand = core.submit(base=tasks[0].task_id, goal=OptimisationGoal(auto=True))
    core.finish(tasks[-1], carbon=2.0)
    assert tasks[-1].next_task == NO_TASK
    reason = "taken over by 1/3, which was started by hand: best is 1/2 with 2 kgCO2e"
    assert tasks[-1].outcome_reason == reason
    core.finish(by_hand, carbon=1.5)
    follower = core.core.store.get(by_hand.next_task)
    assert follower.base_task == by_hand.task_id
    core.finish(follower, carbon=1.0)
    assert follower.next_task


def test_alternatives_are_not_taken_over(core: Driver) -> None:
    tasks = run(core, OptimisationGoal(num_outputs=3), [3])
    core.submit(base=tasks[0].task_id)
    core.finish(tasks[-1])
    assert tasks[-1].next_task == TaskId(1, 4)


def test_the_search_ends_when_no_model_is_left(core: Driver) -> None:
    core.last_proposals.add(b"ml_model_provider of 1/2")
    goal = OptimisationGoal(auto=True, desired_carbon_footprint=1.0)
    tasks = run(core, goal, [3, 2, 1])
    assert len(tasks) == 2
    reason = "no further model can be proposed: best is 1/2 with 2 kgCO2e, above the target of 1"
    assert tasks[-1].outcome_reason.startswith(reason)


def test_alternatives_end_when_no_model_is_left(core: Driver) -> None:
    core.last_proposals.add(b"ml_model_provider of 1/2")
    tasks = run(core, OptimisationGoal(num_outputs=5), [3, 2, 1])
    assert len(tasks) == 2 and tasks[-1].status is TaskStatus.SUCCEEDED
    reason = "no further model can be proposed for the 3 more proposals asked for"
    assert reason in tasks[-1].outcome_reason


FOOTPRINTS = st.one_of(
    st.floats(min_value=1e-9, max_value=1e9), st.sampled_from([math.nan, math.inf, 0.0, 1.0])
)


@given(
    footprints=st.lists(FOOTPRINTS, min_size=1, max_size=12),
    target=st.sampled_from([0.0, 1.0, 1e3]),
    alternatives=st.integers(1, 4),
    limit=st.integers(1, 8),
    ends=st.sampled_from(["", "failure", "stop"]),
)
def test_any_search_ends_well(
    footprints: list[float], target: float, alternatives: int, limit: int, ends: str
) -> None:
    """Whatever the footprints: it ends, says why, repeats no model, starts from the best."""
    driver = Driver(max_auto_iterations=limit)
    driver.bring_up()
    driver.last_proposals.add(f"ml_model_provider of 1/{len(footprints)}".encode())
    goal = OptimisationGoal(True, target, alternatives)
    tasks = [driver.submit(goal=goal)]
    for number, carbon in enumerate(footprints, 1):
        task = tasks[-1]
        assert isinstance(task.goal, OptimisationGoal)
        assert task.goal.model_restrains == tuple(item.model for item in tasks[:-1])
        if ends and number == len(footprints):
            break
        task.model = f"model {number}"
        driver.finish(task, carbon=carbon)
        if task.next_task == NO_TASK:
            break
        tasks.append(driver.core.store.get(task.next_task))
    last = tasks[-1]
    if ends == "failure" and last.open:
        fields = {"error_code": 2, "error_description": "no"}
        driver.report("hw_constraints", last, TaskStatus.ERROR, **fields)
    elif ends == "stop" and last.open:
        driver.command(last, TaskCommand.STOP)
    _judge(driver, tasks, goal, limit)


def _judge(driver: Driver, tasks: list[Task], goal: OptimisationGoal, limit: int) -> None:
    last = tasks[-1]
    assert not last.open and not driver.core.tasks.running and not driver.core.tasks.waiting
    assert len(tasks) <= max(goal.num_outputs, limit)
    assert last.outcome_reason not in ("", "every module delivered")
    for index, task in enumerate(tasks[1:], 1):
        earlier = tasks[:index]
        assert task.base_task in {item.task_id for item in earlier}
        if index < goal.num_outputs:  # an alternative begins from the one before it
            assert task.base_task == earlier[-1].task_id
        else:
            base = driver.core.store.get(task.base_task)
            assert known(base) == min(map(known, earlier))
    done = [item for item in tasks if item.status is TaskStatus.SUCCEEDED]
    best = driver.core.optimiser.best(last)
    if done:
        assert known(best) == min(map(known, done))
        if last is not done[-1]:
            assert f"the best so far is {best.task_id}" in last.outcome_reason
    target = goal.desired_carbon_footprint
    if len(tasks) >= goal.num_outputs and done and last is done[-1]:
        met = target > 0 and known(best) <= target
        assert last.outcome_reason.startswith("target of") == met


def known(task: Task) -> float:
    return math.inf if math.isnan(task.carbon) else task.carbon


def test_a_full_queue_ends_the_search_and_nothing_else(core: Driver) -> None:
    task = core.submit(goal=OptimisationGoal(num_outputs=2))
    core.core.settings.max_waiting_tasks = 0
    core.finish(task)
    assert task.status is TaskStatus.SUCCEEDED and task.next_task == NO_TASK
    assert "no further iteration was started" in task.outcome_reason


def test_a_reset_iteration_is_followed_anew(core: Driver) -> None:
    first = core.submit(goal=OptimisationGoal(num_outputs=2))
    core.finish(first)
    core.command(first, TaskCommand.RESET)
    core.finish(first)
    assert first.next_task == TaskId(1, 3)


def test_a_chain_is_found_without_a_walk_over_the_problem(core: Driver) -> None:
    first = core.submit(goal=OptimisationGoal(auto=True))
    core.core.settings.max_active_tasks = 1
    core.finish(first, carbon=1.0)
    for _ in range(30):
        core.submit(base=first.task_id)
    looked: list[TaskId] = []
    find = core.core.store.find
    core.core.store.find = lambda task_id: looked.append(task_id) or find(task_id)
    assert core.core.optimiser.best(find(first.next_task)) is first
    assert len(looked) == 1


def test_a_chain_outlives_what_is_deleted_elsewhere(core: Driver) -> None:
    tasks = run(core, OptimisationGoal(auto=True, desired_carbon_footprint=1.0), [3, 2])
    assert core.ask(DeletionRequested, 9).error is not None
    core.finish(tasks[-1], carbon=0.5)
    assert core.ask(DeletionRequested, 1).value == 3
    again = core.submit()
    assert core.core.store.previous(again) is None
