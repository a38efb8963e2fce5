"""The SDK: what module authors import."""

from sustainml_orchestrator.contract.parameters import Spec as Setting
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.sdk.module import Module
from sustainml_orchestrator.sdk.task import Cancelled, Inputs, ModuleError, Task

__all__ = ["Cancelled", "ErrorCode", "Inputs", "Module", "ModuleError", "Setting", "Task"]
