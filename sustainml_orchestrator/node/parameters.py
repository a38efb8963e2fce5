"""The parameters of the node: one table, from which they are declared, checked and documented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from sustainml_orchestrator.core.settings import Settings

Value = bool | int | float | str


@dataclass(frozen=True)
class Spec:
    """One parameter. Numbers have an inclusive range."""

    name: str
    default: Value
    description: str
    low: float | None = None
    high: float | None = None
    read_only: bool = False


def _seconds(name: str, default: float, description: str, high: float = 86400.0) -> Spec:
    return Spec(name, default, f"{description}, in s", 0.01, high)


TABLE: tuple[Spec, ...] = (
    Spec("pipeline_file", "", "file that describes the modules; empty = the one that comes with "
         "the package", read_only=True),
    Spec("journal_path", "", "SQLite file that keeps the database over restarts; auto = in its "
         "usual place, below ROS_HOME or ~/.local/state; none or empty = memory only",
         read_only=True),
    Spec("journal_durability", "normal", "'normal' survives a crash of the process, 'full' a loss "
         "of power too", read_only=True),
    Spec("autostart", True, "start every module as soon as it appears", read_only=True),
    Spec("admission", "ready", "'ready' starts a task when every required module is active, "
         "'always' at once", read_only=True),
    Spec("max_active_tasks", 100, "most tasks that run at a time", 1, 100),
    Spec("max_waiting_tasks", 10_000, "most tasks that wait at a time", 1, 1_000_000),
    _seconds("heartbeat_timeout", 3.0, "silence after which a node counts as lost"),
    _seconds("command_timeout", 5.0, "time to confirm a command before stronger ones follow"),
    _seconds("start_timeout", 300.0, "longest time for a node to initialise"),
    _seconds("resend_period", 0.5, "between two sendings of a command not yet confirmed"),
    _seconds("bring_up_wait", 2.0, "longest wait of a module for those it depends on"),
    _seconds("ack_timeout", 5.0, "longest silence about a step whose inputs are complete"),
    _seconds("queue_timeout", 3600.0, "longest time before a module works on a step for good",
             30 * 86400.0),
    _seconds("node_lost_timeout", 60.0, "how long an admitted task waits for a lost module"),
    Spec("max_resets", 3, "resets of a node in error before a person must look at it", 0, 1000),
    Spec("max_redeliveries_per_second", 200, "repeated commands on tasks per second", 1, 10_000),
    Spec("max_auto_iterations", 10, "most iterations of one search, the first included", 1,
         1000),
    Spec("max_problems", 0, "problems to keep, oldest finished ones go first; 0 = all", 0,
         2**31 - 1),
    Spec("max_payload_bytes", 0, "payload bytes to keep, oldest finished problems go first; "
         "0 = all", 0, 2**53),
    _seconds("control_timeout", 30.0, "default time for control_node to be confirmed"),
    _seconds("configure_timeout", 10.0, "default time for a module to answer configure_node"),
    Spec("max_text_bytes", 2**20, "longest text field of a request, in bytes", 1, 2**30),
    Spec("max_request_bytes", 64 * 2**20, "largest request, in bytes", 1, 2**30),
    Spec("max_list_entries", 1000, "most entries in a list field of a request", 1, 1_000_000),
    Spec("max_pending_calls", 64, "calls and goals pending at once", 1, 500),
)  # fmt: skip

_SETTINGS = {field.name for field in fields(Settings)}


def declare(node: Node, settings: Settings, changed: Callable[[], None]) -> None:
    """Declare all of them, bring them into `settings`, and keep it up to date.

    Raises:
        rclpy.exceptions.InvalidParameterValueException: a file or argument gave a value that
            its range forbids.
    """
    for spec in TABLE:
        node.declare_parameter(spec.name, spec.default, _descriptor(spec))
        if spec.name in _SETTINGS:
            setattr(settings, spec.name, node.get_parameter(spec.name).value)

    def apply(parameters: list[Parameter]) -> None:
        for parameter in parameters:
            if parameter.name in _SETTINGS:
                setattr(settings, parameter.name, parameter.value)
        changed()

    node.add_post_set_parameters_callback(apply)


def _descriptor(spec: Spec) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=spec.description, read_only=spec.read_only)
    if spec.low is not None and spec.high is not None:
        if isinstance(spec.default, float):
            bounds = FloatingPointRange(from_value=float(spec.low), to_value=float(spec.high))
            descriptor.floating_point_range = [bounds]
        else:
            descriptor.integer_range = [
                IntegerRange(from_value=int(spec.low), to_value=int(spec.high))
            ]
    return descriptor
