"""A scripted module that loses one message of each task: which one, the number of its problem says.

Of the first problem, the first module loses the first status; of the second, its first output; of
the third, the first input that comes to it; of the fourth, that and the first command that repairs
it; of the fifth, the last status; then it is the turn of the second module, and so on.
"""

from __future__ import annotations

from typing import Any

from support.scripted_module import NAME, Scripted
from sustainml_orchestrator.core.ids import TaskStatus
from sustainml_orchestrator.processes.programs import MODULES
from sustainml_orchestrator.sdk import actions as act
from sustainml_orchestrator.sdk import main, module_node
from sustainml_orchestrator.sdk.wire_ids import read_ticket

LOSSES = (("status",), ("output",), ("input",), ("input", "control"), ("success",))
#: Problems after which every module has lost everything once.
ROUND = len(LOSSES) * len(MODULES)


class LossyNode(module_node.ModuleNode):
    def __init__(self, *args: Any, **options: Any) -> None:
        self._lost: set[tuple[str, int]] = set()
        super().__init__(*args, **options)

    def _loses(self, kind: str, problem_id: int) -> bool:
        """Whether a message is lost: the first of its kind, of the problems whose turn it is."""
        module, loss = divmod((problem_id - 1) % ROUND, len(LOSSES))
        if MODULES[module] != NAME or kind not in LOSSES[loss] or (kind, problem_id) in self._lost:
            return False
        self._lost.add((kind, problem_id))
        self.get_logger().info(f"lost: {kind} of problem {problem_id}")
        return True

    def _input(self, name: str, data: bytes) -> None:
        if not self._loses("input", read_ticket(data).task_id.problem_id):
            super()._input(name, data)

    def _control(self, message: Any) -> None:
        if not self._loses("control", message.task_id.problem_id):
            super()._control(message)

    def _perform(self, action: act.Action) -> None:
        lost = False
        if isinstance(action, act.Report) and action.ticket is not None:
            ended = action.task_status is TaskStatus.SUCCEEDED
            lost = self._loses("success" if ended else "status", action.ticket.task_id.problem_id)
        elif isinstance(action, act.PublishOutput):
            lost = self._loses("output", read_ticket(action.output).task_id.problem_id)
        if not lost:
            super()._perform(action)


if __name__ == "__main__":
    main.ModuleNode = LossyNode
    Scripted.main()
