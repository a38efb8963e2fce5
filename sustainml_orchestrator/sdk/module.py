"""`Module`, the class that module authors derive from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.logging import get_logger

from sustainml_orchestrator.contract.parameters import Spec as Setting
from sustainml_orchestrator.sdk.main import run
from sustainml_orchestrator.sdk.task import Inputs, ModuleError, Task


class Module(ABC):
    """A module of the pipeline.

    Derive from it, implement `process`, and call `main`, which runs a ROS 2 node around the class::

        from sustainml_msgs.msg import HWResource
        from sustainml_orchestrator.sdk import Module, ModuleError

        class MyHardware(Module):
            module = "hw_resources"

            def process(self, task, inputs):
                if not inputs.ml_model_provider.model:
                    raise ModuleError("no model was proposed; relax the constraints")
                return HWResource(hw_description="my board", power_consumption=15.0, latency=0.02)

        if __name__ == "__main__":
            MyHardware.main()

    The node reports its status, joins the inputs of each task, executes commands and publishes the
    output. Instances are no nodes: by default each lives in a worker process of its own, which may
    crash, and which is killed when a cancelled task does not end.

    Class attributes:
        module: role in the pipeline: one of the six standard modules, or another name.
        inputs: names of the modules whose outputs it consumes, and "user_input"; or a mapping from
            these names to message types, which is required for modules that are not standard ones.
            The standard modules have a default.
        output_type: message type of the output. The standard modules have a default.
        baselines: modules whose output of the base iteration it consumes, too, when iteration_id
            > 1; names or a mapping, as in `inputs`. By default all three for ml_model_provider,
            none for others.
        parameters: scalar settings, each a ROS parameter of the node, too: what `ros2 param set`
            or a params file gives is handed to `configure` under the name of the setting.
    """

    module: ClassVar[str] = ""
    inputs: ClassVar[Sequence[str] | Mapping[str, type] | None] = None
    output_type: ClassVar[type | None] = None
    baselines: ClassVar[Sequence[str] | Mapping[str, type] | None] = None
    parameters: ClassVar[Sequence[Setting]] = ()

    def on_start(self) -> None:  # noqa: B027 - not every module has something to load
        """Load models and data. Called in each worker at START_NODE, RESET_NODE and after a crash.

        The node is INITIALIZING meanwhile. An exception sets it to ERROR, with the text.
        """

    @abstractmethod
    def process(self, task: Task, inputs: Inputs) -> Any:
        """Return the output for a task.

        It may take hours. Long computations should call `task.check()` regularly, or test
        `task.cancelled`. The ids and the header of the output are filled in afterwards.

        Args:
            task: ids of the task, and whether it was cancelled.
            inputs: the input messages, as attributes: `inputs.user_input`, `inputs.<module>`, and
                `inputs.baselines.<module>`.

        Raises:
            ModuleError: the task cannot be done; it ends in TASK_ERROR with this text, and is not
                tried again unless the error code says otherwise. Any other exception is reported as
                "Type: text" and may be tried again.
        """

    def configure(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Apply a new configuration and return the current one; `{}` only queries it.

        Called in every worker, on a second thread while `process` runs: replace values as a whole.
        Accepted values are stored by key, and passed again, in one dictionary, after `on_start`.

        Raises:
            ModuleError: the configuration is refused; nothing may have changed.
        """
        if configuration:
            raise ModuleError(f"module {self.module} has no settings")
        return {}

    def get_logger(self) -> RcutilsLogger:
        """The logger named after the module. In a worker process it writes to stderr only."""
        return get_logger(self.module)

    @classmethod
    def main(cls, args: Sequence[str] | None = None) -> None:
        """Run the node until it is terminated; for `console_scripts` and `__main__`.

        Args:
            args: the command line; None = `sys.argv`.

        Raises:
            SystemExit: always; with 0 after a signal or TERMINATE_NODE.
        """
        raise SystemExit(run(cls, args))
