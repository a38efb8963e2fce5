"""Which iteration is started automatically after one that succeeded: alternatives, or less carbon.

`derive` makes the user input of the next iteration, since payloads are opaque here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from sustainml_orchestrator.core.events import OptimisationGoal, TaskSubmitted
from sustainml_orchestrator.core.ids import TaskId, TaskStatus
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.core.task_store import TaskStore

#: Iterations in a row without progress before the search ends.
_PATIENCE = 2
#: A carbon footprint this much lower (relative) counts as progress.
_PROGRESS = 1e-3

#: Makes the next user input: (payload, models not to propose, proposals left, previous iteration).
Derive = Callable[[bytes, tuple[str, ...], int, int], bytes]
#: Whether the outputs of an iteration show that no further model can be proposed.
Exhausted = Callable[[Sequence[bytes | None]], bool]


class Optimiser:
    """Decides whether another iteration is started, with which base, without which models."""

    def __init__(
        self, settings: Settings, store: TaskStore, derive: Derive, exhausted: Exhausted
    ) -> None:
        self._settings = settings
        self._store = store
        self._derive = derive
        self._exhausted = exhausted

    def succeeded(self, task: Task) -> TaskSubmitted | None:
        """The submission after a success, or None; the reason is set in the task."""
        goal = task.goal
        if not isinstance(goal, OptimisationGoal):
            return None
        if goal.num_outputs > 1:
            return self._alternative(task, goal)
        if not goal.auto:
            return None
        chain = self._chain(task)
        best = min(chain, key=_carbon)
        stop = self._reason_to_stop(chain, best, goal)
        if stop:
            task.outcome_reason = stop
            return None
        return self._next(task, best, goal, goal.num_outputs)

    def _alternative(self, task: Task, goal: OptimisationGoal) -> TaskSubmitted | None:
        if self._exhausted(task.outputs):
            missing = f"the {goal.num_outputs - 1} more proposals asked for"
            task.outcome_reason += f"; no further model can be proposed for {missing}"
            return None
        task.outcome_reason += f"; {goal.num_outputs - 1} more proposals follow"
        return self._next(task, task, goal, goal.num_outputs - 1)

    def ended(self, task: Task) -> None:
        """An iteration that fails or is stopped ends the search: name the best one so far."""
        best = self.best(task)
        if best is not task:
            task.outcome_reason += f"; the best so far is {_shown(best)}"

    def best(self, task: Task) -> Task:
        """The iteration with the least carbon of the chain that `task` belongs to."""
        finished = [i for i in self._chain(task) if i.status is TaskStatus.SUCCEEDED]
        return min(finished, key=_carbon, default=task)

    def _chain(self, task: Task) -> list[Task]:
        """The iterations after which this one was started automatically, oldest first."""
        chain = [task]
        while (earlier := self._store.previous(chain[-1])) is not None:
            chain.append(earlier)
        return chain[::-1]

    def _reason_to_stop(self, chain: list[Task], best: Task, goal: OptimisationGoal) -> str:
        if math.isnan(best.carbon):
            return "optimisation ended: no carbon footprint was reported"
        target, limit = goal.desired_carbon_footprint, self._settings.max_auto_iterations
        result = f"best is {_shown(best)}"
        if target > 0:
            if best.carbon <= target:
                return f"target of {target:.3g} kgCO2e met: {result}"
            result += f", above the target of {target:.3g} kgCO2e"
        other = self._started_since(chain)
        if other is not None:
            return f"taken over by {other.task_id}, which was started by hand: {result}"
        if len(chain) >= limit:
            return f"max_auto_iterations ({limit}) reached: {result}"
        if self._exhausted(chain[-1].outputs):
            return f"no further model can be proposed: {result}"
        if len(chain) > _PATIENCE:
            bar = min(map(_carbon, chain[:-_PATIENCE])) * (1 - _PROGRESS)
            if min(map(_carbon, chain[-_PATIENCE:])) >= bar:
                return f"{_PATIENCE} iterations in a row did not improve: {result}"
        return ""

    def _started_since(self, chain: list[Task]) -> Task | None:
        """The iteration that a front-end started while the last one of a chain was under way."""
        newest = self._store.problem(chain[-1].task_id.problem_id)[-1]
        first = self._chain(newest)[0]
        return first if first.serial > chain[-1].serial else None

    def _next(
        self, task: Task, base: Task, goal: OptimisationGoal, proposals: int
    ) -> TaskSubmitted:
        # A goal holds the models of all iterations before it.
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


def _carbon(iteration: Task) -> float:
    return math.inf if math.isnan(iteration.carbon) else iteration.carbon


def _shown(iteration: Task) -> str:
    return f"{iteration.task_id} with {iteration.carbon:.3g} kgCO2e"
