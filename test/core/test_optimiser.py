"""What follows a finished iteration by itself."""

from __future__ import annotations

from driver import Driver

from sustainml_orchestrator.core.events import DeletionRequested, OptimisationGoal
from sustainml_orchestrator.core.ids import NO_TASK, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.iteration import Iteration


def run(core: Driver, goal: OptimisationGoal, footprints: list[float]) -> list[Iteration]:
    """The iterations that follow when each has the next of these carbon footprints."""
    task = core.submit(goal=goal)
    tasks = [task]
    for number, carbon in enumerate(footprints):
        task.model = f"model {number}"
        core.finish(task, carbon=carbon)
        if task.next_task == NO_TASK:
            break
        task = core.core.database.get(task.next_task)
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
    assert "2 iterations in a row brought nothing" in tasks[-1].outcome_reason
    assert core.core.optimiser.best(tasks[-1]) is tasks[1]


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
    second = core.core.database.get(first.next_task)
    core.word("hw_constraints", second, TaskStatus.ERROR, error_code=2, error_description="no")
    assert second.outcome_reason.endswith("; the best so far is 1/1")


def test_a_full_queue_ends_the_search_and_nothing_else(core: Driver) -> None:
    task = core.submit(goal=OptimisationGoal(num_outputs=2))
    core.core.settings.max_waiting_tasks = 0
    core.finish(task)
    assert task.status is TaskStatus.SUCCEEDED and task.next_task == NO_TASK
    assert "nothing follows" in task.outcome_reason


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
    find = core.core.database.find
    core.core.database.find = lambda task_id: looked.append(task_id) or find(task_id)
    assert core.core.optimiser.best(find(first.next_task)) is first
    assert len(looked) == 1


def test_a_chain_outlives_what_is_deleted_elsewhere(core: Driver) -> None:
    tasks = run(core, OptimisationGoal(auto=True, desired_carbon_footprint=1.0), [3, 2])
    assert core.ask(DeletionRequested, 9).error is not None
    core.finish(tasks[-1], carbon=0.5)
    assert core.ask(DeletionRequested, 1).value == 3
    again = core.submit()
    assert core.core.database.previous(again) is None
