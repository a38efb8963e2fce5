"""What a module is to the rest of the SDK: the hooks that its author writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.logging import get_logger

from sustainml_orchestrator.sdk.task import Inputs, ModuleError, Task


class ModuleBase(ABC):
    """The hooks of a module, and what it says of itself; authors derive from ``Module``.

    Instances live where user code runs: by default in a worker process, one instance in each.
    They are no ROS nodes themselves.

    Class attributes:
        module: the role: one of the six modules, or a name of one's own.
        inputs: what it consumes, by the name of the producer (or name → message type, for
            producers of one's own). Known for the six.
        output_type: message type of its output. Known for the six.
        baselines: modules whose output of the base iteration it waits for when
            iteration_id > 1. By default ml_model_provider waits for all three, others for none.
    """

    module: ClassVar[str] = ""
    inputs: ClassVar[Sequence[str] | Mapping[str, type] | None] = None
    output_type: ClassVar[type | None] = None
    baselines: ClassVar[Sequence[str] | None] = None

    def on_start(self) -> None:  # noqa: B027 - there may be nothing to load
        """Load what is needed. Called in each worker at START and RESET, and after a crash.

        The node is INITIALIZING meanwhile; an exception puts it in ERROR, with its text.
        """

    @abstractmethod
    def process(self, task: Task, inputs: Inputs) -> Any:
        """Work on a task; return a message of the output type.

        May take hours; then look at ``task.cancelled`` or call ``task.check()`` now and then.
        The ids and the header of the output are filled in afterwards.

        Raises:
            ModuleError: the task cannot be done, and why. Any other exception ends the task as
                well, with "Type: text"; the node lives on.
        """

    def configure(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Take a new configuration and return the current one; ``{}`` only asks for it.

        Called in every worker, also while ``process`` runs there on another thread: replace
        values as a whole. What was accepted is remembered key by key and handed in again, as one
        dictionary, after ``on_start`` whenever workers are made anew.

        Raises:
            ModuleError: it is not accepted, and why. Nothing must have been changed.
        """
        if configuration:
            raise ModuleError(f"module {self.module} has nothing to configure")
        return {}

    def get_logger(self) -> RcutilsLogger:
        """Logger named after the module."""
        return get_logger(self.module)
