"""The parameters of a module node; `make parameters` writes files from the table."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rclpy.node import Node

from sustainml_orchestrator.contract import introspection, parameters
from sustainml_orchestrator.contract.parameters import Spec
from sustainml_orchestrator.sdk.job_table import Limits

PROCESS = "process"
THREAD = "thread"


@dataclass(frozen=True, kw_only=True)
class Parameters(Limits):
    """Values of the parameters; times in s, sizes in bytes."""

    isolation: str
    pipeline_file: str
    autostart: bool
    heartbeat_period: float
    cancel_grace: float
    termination_grace: float
    configure_timeout: float
    fetch_timeout: float
    service_introspection: str


#: All are read-only: a change needs a restart of the node.
TABLE: tuple[Spec, ...] = (
    Spec("workers", 1, "maximum number of calls of `process` at a time", 1, 64),
    Spec("isolation", PROCESS, "where user code runs: 'process' (it may crash, and is killed when "
         "it hangs) or 'thread' (fastest)", choices=(PROCESS, THREAD)),
    Spec("pipeline_file", "", "the module graph; empty = the one of the package"),
    Spec("autostart", False, "start without waiting for START_NODE"),
    Spec("heartbeat_period", 1.0, "period of node-level statuses, in s", 0.01, 3600.0),
    Spec("cancel_grace", 1.0, "time a cancelled call may go on before its worker process is "
         "killed, in s", 0.0, 3600.0),
    Spec("termination_grace", 5.0, "maximum time for a clean exit after TERMINATE_NODE, in s", 0.5,
         3600.0),
    Spec("configure_timeout", 4.0, "maximum time for an answer of `configure`, in s", 0.01,
         3600.0),
    Spec("fetch_timeout", 3.0, "maximum time for an answer of get_inputs, which is called four "
         "times at most, in s", 0.01, 3600.0),
    Spec("output_cache", 256 << 20, "finished outputs kept to be repeated, in bytes", 0, 1 << 40),
    Spec("max_pending_joins", 1000, "maximum number of tasks of which some inputs are missing", 1,
         1_000_000),
    Spec("max_held_tasks", 1000, "maximum number of tasks waiting or running; others are given "
         "back", 1, 1_000_000),
    Spec("max_held_bytes", 1 << 30, "maximum size of the inputs held, in bytes; others are given "
         "back", 1 << 10, 1 << 40),
    introspection.SPEC,
)  # fmt: skip


def declare(node: Node) -> Parameters:
    """Declare all parameters.

    Raises:
        ParameterError: a value from the command line or a file is not permitted.
    """
    read_only = (replace(spec, read_only=True) for spec in TABLE)
    return Parameters(**parameters.declare(node, read_only))
