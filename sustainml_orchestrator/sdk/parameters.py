"""The parameters of a module node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

PROCESS = "process"
THREAD = "thread"


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Values of the parameters; times in s, sizes in bytes."""

    workers: int
    isolation: str
    autostart: bool
    heartbeat_period: float
    cancel_grace: float
    termination_grace: float
    configure_timeout: float
    fetch_timeout: float
    output_cache: int
    max_pending_joins: int
    max_held_tasks: int
    max_held_bytes: int


#: name, default, range (None for text and truth values), description
TABLE: tuple[tuple[str, Any, tuple[float, float] | None, str], ...] = (
    ("workers", 1, (1, 64), "How many tasks are worked on at a time."),
    (
        "isolation",
        PROCESS,
        None,
        "Where user code runs: 'process' (can be killed, may crash) or 'thread' (fastest).",
    ),
    ("autostart", False, None, "Start without waiting for START_NODE."),
    ("heartbeat_period", 1.0, (0.01, 3600.0), "Time between two node-level statuses, s."),
    (
        "cancel_grace",
        1.0,
        (0.0, 3600.0),
        "How long a cancelled call may go on before its worker process is killed, s.",
    ),
    ("termination_grace", 5.0, (0.5, 3600.0), "TERMINATE_NODE ends the process within, s."),
    ("configure_timeout", 4.0, (0.01, 3600.0), "Longest time for an answer of configure(), s."),
    (
        "fetch_timeout",
        3.0,
        (0.01, 3600.0),
        "Time for an answer of get_inputs, which is called four times at most, s.",
    ),
    (
        "output_cache",
        256 << 20,
        (0, 1 << 40),
        "Bytes of finished outputs kept, to be repeated when asked for again.",
    ),
    (
        "max_pending_joins",
        1000,
        (1, 1_000_000),
        "TaskManager kept of which some inputs are missing.",
    ),
    ("max_held_tasks", 1000, (1, 1_000_000), "TaskManager held, waiting or running."),
    ("max_held_bytes", 1 << 30, (1 << 10, 1 << 40), "Bytes of inputs held."),
)


def declare(node: Node) -> Parameters:
    """Declare all parameters, read-only: a change needs a restart of the node.

    Raises:
        ValueError: a value is out of its range, or of the wrong type.
    """
    values = {}
    for name, default, range_, description in TABLE:
        descriptor = ParameterDescriptor(description=description, read_only=True)
        if range_ and isinstance(default, int):
            low, high = map(int, range_)
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
        elif range_:
            bounds = FloatingPointRange(from_value=range_[0], to_value=range_[1])
            descriptor.floating_point_range = [bounds]
        try:
            values[name] = node.declare_parameter(name, default, descriptor).value
        except Exception as error:
            allowed = f" (from {range_[0]:g} to {range_[1]:g})" if range_ else ""
            raise ValueError(f"parameter {name}{allowed}: {error}") from error
    if values["isolation"] not in (PROCESS, THREAD):
        raise ValueError(
            f"parameter isolation is '{values['isolation']}'; set {PROCESS} or {THREAD}"
        )
    return Parameters(**values)
