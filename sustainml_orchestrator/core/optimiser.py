"""What follows a finished iteration by itself: alternatives, or the way to less carbon.

Pure decisions: the user input of the next iteration is written by `derive`, given from outside,
since payloads are opaque here.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from sustainml_orchestrator.core.database import Database
from sustainml_orchestrator.core.events import OptimisationGoal, TaskSubmitted
from sustainml_orchestrator.core.ids import TaskId, TaskStatus
from sustainml_orchestrator.core.iteration import Iteration
from sustainml_orchestrator.core.settings import Settings

#: Iterations in a row that bring nothing before the search ends.
_PATIENCE = 2
#: A carbon footprint this much lower (relative) counts as progress.
_PROGRESS = 1e-3

#: Writes the next user input: (payload, models not to propose, proposals left, previous iteration).
Derive = Callable[[bytes, tuple[str, ...], int, int], bytes]


class Optimiser:
    """Decides whether another iteration follows, from which base, without which models."""

    def __init__(self, settings: Settings, database: Database, derive: Derive) -> None:
        self._settings = settings
        self._database = database
        self._derive = derive

    def succeeded(self, task: Iteration) -> TaskSubmitted | None:
        """The submission that follows a success, or None; the reason is noted in the task."""
        goal = task.goal
        if not isinstance(goal, OptimisationGoal):
            return None
        if goal.num_outputs > 1:
            task.outcome_reason += f"; {goal.num_outputs - 1} more proposals follow"
            return self._next(task, task, goal, goal.num_outputs - 1)
        if not goal.auto:
            return None
        chain = self._chain(task)
        best = min(chain, key=_carbon)
        stop = self._reason_to_stop(chain, best, goal)
        if stop:
            task.outcome_reason = stop
            return None
        return self._next(task, best, goal, goal.num_outputs)

    def failed(self, task: Iteration) -> None:
        """A failed iteration ends the search; the best one so far stands."""
        goal = task.goal
        if isinstance(goal, OptimisationGoal) and goal.auto and task.base_task.problem_id:
            before = [item for item in self._chain(task) if item is not task]
            if before:
                best = min(before, key=_carbon)
                task.outcome_reason += f"; the best so far is {best.task_id}"

    def best(self, task: Iteration) -> Iteration:
        """The iteration with the least carbon of the chain that `task` belongs to."""
        finished = [i for i in self._chain(task) if i.status is TaskStatus.SUCCEEDED]
        return min(finished, key=_carbon, default=task)

    def _chain(self, task: Iteration) -> list[Iteration]:
        """The iterations that led to this one by themselves, oldest first."""
        chain = [task]
        while (earlier := self._database.previous(chain[-1])) is not None:
            chain.append(earlier)
        return chain[::-1]

    def _reason_to_stop(
        self, chain: list[Iteration], best: Iteration, goal: OptimisationGoal
    ) -> str:
        target = goal.desired_carbon_footprint
        result = f"best is {best.task_id} with {best.carbon:.3g} kgCO2e"
        if math.isnan(best.carbon):
            return "optimisation ended: no carbon footprint was reported"
        if target > 0 and best.carbon <= target:
            return f"target of {target:.3g} kgCO2e met: {result}"
        if len(chain) >= self._settings.max_auto_iterations:
            return f"max_auto_iterations ({self._settings.max_auto_iterations}) reached: {result}"
        if len(chain) > _PATIENCE:
            bar = min(map(_carbon, chain[:-_PATIENCE])) * (1 - _PROGRESS)
            if min(map(_carbon, chain[-_PATIENCE:])) > bar:
                return f"{_PATIENCE} iterations in a row brought nothing: {result}"
        return ""

    def _next(
        self, task: Iteration, base: Iteration, goal: OptimisationGoal, proposals: int
    ) -> TaskSubmitted:
        # A goal carries the models of all iterations that led to it.
        restrains = tuple(dict.fromkeys(m for m in (*goal.model_restrains, task.model) if m))
        previous = base.task_id.iteration_id
        return TaskSubmitted(
            call=0,
            user_input=self._derive(task.user_input, restrains, proposals, previous),
            description=task.description,
            priority=task.priority,
            base_task=TaskId(task.task_id.problem_id, previous),
            goal=OptimisationGoal(goal.auto, goal.desired_carbon_footprint, proposals, restrains),
        )


def _carbon(iteration: Iteration) -> float:
    return math.inf if math.isnan(iteration.carbon) else iteration.carbon
