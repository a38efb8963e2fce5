"""What module authors use: a class with ``process`` becomes a node of the framework."""

from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.module.node import ModuleNode
from sustainml_orchestrator.module.task import Cancelled, Inputs, ModuleError, Task

__all__ = ["Cancelled", "ErrorCode", "Inputs", "ModuleError", "ModuleNode", "Task"]
