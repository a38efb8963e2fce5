"""The parameters of the orchestrator; `make parameters` writes files from the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from rclpy.node import Node
from rclpy.parameter import Parameter

from sustainml_orchestrator.contract import introspection, parameters
from sustainml_orchestrator.contract.parameters import Spec
from sustainml_orchestrator.core.settings import Settings


def _seconds(name: str, default: float, description: str, high: float = 86400.0) -> Spec:
    return Spec(name, default, f"{description}, in s", 0.01, high)


TABLE: tuple[Spec, ...] = (
    Spec("pipeline_file", "", "module graph (YAML); empty = the one of the package",
         read_only=True),
    Spec("journal_path", "", "SQLite file that keeps the database over restarts; auto = below "
         "ROS_HOME or ~/.local/state; none or empty = memory only", read_only=True),
    Spec("journal_durability", "normal", "what the journal survives: 'normal' a crash of the "
         "process, 'full' a loss of power, too", choices=("normal", "full"), read_only=True),
    Spec("autostart", True, "start every module as soon as it appears", read_only=True),
    Spec("admission", "ready", "when tasks start: 'ready' when every required module is active, "
         "'always' at once", choices=("ready", "always"), read_only=True),
    Spec("max_active_tasks", 100, "maximum number of running tasks", 1, 100),
    Spec("max_waiting_tasks", 10_000, "maximum number of waiting tasks, and of run_task goals", 1,
         1_000_000),
    _seconds("heartbeat_timeout", 3.0, "time without a status after which a node counts as lost"),
    _seconds("command_timeout", 5.0, "time to confirm a command before recovery escalates"),
    _seconds("start_timeout", 300.0, "maximum time for a node to initialise"),
    _seconds("resend_period", 0.5, "period at which an unconfirmed command is sent again"),
    _seconds("bring_up_wait", 2.0, "maximum time a module waits for those it depends on"),
    _seconds("ack_timeout", 5.0, "maximum time without a report on a step that can start"),
    _seconds("queue_timeout", 3600.0, "maximum time a step may wait before a module starts it",
             30 * 86400.0),
    _seconds("node_lost_timeout", 60.0, "maximum time a running task waits for a lost module"),
    Spec("max_resets", 3, "automatic resets of a node in error", 0, 1000),
    Spec("max_redeliveries_per_second", 200, "maximum rate of repeated task commands", 1, 10_000),
    Spec("max_auto_iterations", 10, "maximum iterations of one search, the first included", 1,
         1000),
    Spec("max_problems", 0, "problems to keep, the oldest finished ones are deleted first; 0 = "
         "all", 0, 2**31 - 1, read_only=True),
    Spec("max_payload_bytes", 0, "payload bytes to keep, the oldest finished problems are deleted "
         "first; 0 = all", 0, 2**53, read_only=True),
    Spec("history_max_events", 100_000, "events of the history to keep", 0, 1_000_000,
         read_only=True),
    Spec("history_max_age", 30 * 86400.0, "age up to which events of the history are kept, in s",
         0.01, 3650 * 86400.0, read_only=True),
    Spec("flight_recorder_bytes", 0, "size of the recording of the last events beside the "
         "journal, in bytes; 0 = none", 0, 2**31 - 1, read_only=True),
    _seconds("control_timeout", 30.0, "default time for control_node to be confirmed"),
    _seconds("configure_timeout", 10.0, "default time for a module to answer configure_node"),
    Spec("max_text_bytes", 2**20, "maximum size of a text field of a request, in bytes", 1, 2**30),
    Spec("max_request_bytes", 64 * 2**20, "maximum size of a request, in bytes", 1, 2**30),
    Spec("max_list_entries", 1000, "maximum entries in a list field of a request", 1, 1_000_000),
    Spec("max_pending_calls", 64, "maximum number of pending service calls", 1, 500),
    introspection.SPEC,
)  # fmt: skip

_SETTINGS = {field.name for field in fields(Settings)}


def declare(node: Node, settings: Settings, changed: Callable[[], None]) -> None:
    """Declare all of them, copy them to `settings`, and do so again when they are set.

    Args:
        changed: called after parameters were set.

    Raises:
        ParameterError: a value from the command line or a file is not permitted.
    """
    for name, value in parameters.declare(node, TABLE).items():
        if name in _SETTINGS:
            setattr(settings, name, value)

    def apply(changes: list[Parameter]) -> None:
        for parameter in changes:
            if parameter.name in _SETTINGS:
                setattr(settings, parameter.name, parameter.value)
        changed()

    node.add_post_set_parameters_callback(apply)
