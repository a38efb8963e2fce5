"""The main function of a module process, from the command line to the exit code."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import rclpy
from rclpy.signals import SignalHandlerOptions

from sustainml_orchestrator.contract import discovery, log_directory, shared_memory
from sustainml_orchestrator.contract.complaint import complain
from sustainml_orchestrator.contract.exit_codes import ExitCode
from sustainml_orchestrator.contract.parameter_file import warn_of_mistakes
from sustainml_orchestrator.contract.signals import on_end
from sustainml_orchestrator.core.pipeline_reader import PipelineError
from sustainml_orchestrator.core.text import cause
from sustainml_orchestrator.processes.fork_server import ForkServer
from sustainml_orchestrator.sdk.discovery_watch import DiscoveryWatch
from sustainml_orchestrator.sdk.module_node import ModuleNode
from sustainml_orchestrator.sdk.module_spec import name_of
from sustainml_orchestrator.sdk.worker_process import become_worker

if TYPE_CHECKING:
    from sustainml_orchestrator.sdk.module import Module

#: After a signal the process ends within 2 s; user code has this time to end, in s.
_SIGNAL_GRACE = 0.5
_SIGNAL_DEADLINE = 1.7

_SIGNAL, _COMMAND, _STALE = "signal", "command", "stale"


def run(cls: type[Module], args: Sequence[str] | None = None) -> int:
    """Run the node of a module until a signal or TERMINATE_NODE ends the process with 0.

    It ends with `ExitCode.FAILED` when its participant cannot discover the orchestrator any more.

    Returns:
        The exit code, if the node cannot be started.
    """
    # Unlike a lock or an event, it may be used in a signal handler.
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    on_end(lambda _: requests.put(_SIGNAL))
    try:
        name_of(cls)
    except TypeError as error:
        complain(error)
        return ExitCode.USAGE
    fork_server = ForkServer.forked(partial(become_worker, cls))
    try:
        shared_memory.remove_leftovers()
        log_directory.ensure()
        discovery.prefer_profile()
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = ModuleNode(cls, fork_server, on_exit=lambda: requests.put(_COMMAND))
    except Exception as error:
        complain(f"{'' if isinstance(error, TypeError) else f'{cls.module}: '}{cause(error)}")
        fork_server.close()
        return _exit_code(error)
    warn_of_mistakes(node, args)
    node.start()
    DiscoveryWatch(node, args, lambda: requests.put(_STALE)).start()
    return _end(node, fork_server, requests.get())


def _exit_code(error: Exception) -> ExitCode:
    """That of an error at the start."""
    if isinstance(error, OSError):
        return ExitCode.CANNOT_CREATE
    return ExitCode.CONFIGURATION if isinstance(error, PipelineError) else ExitCode.USAGE


def _end(node: ModuleNode, fork_server: ForkServer, reason: str) -> NoReturn:
    """Stop all work and end the process in time, even if a thread hangs."""
    values = node.values
    grace, deadline = _SIGNAL_GRACE, _SIGNAL_DEADLINE
    if reason == _COMMAND:
        deadline = 0.9 * values.termination_grace
        grace = 0.5 * values.termination_grace
    code = ExitCode.OK
    if reason == _STALE:
        code = ExitCode.FAILED
        node.get_logger().error(
            "this process does not discover the orchestrator, although a new participant does: "
            "ending; a supervisor starts it again, without one start it again yourself"
        )
    grace = min(grace, values.cancel_grace)
    timer = threading.Timer(deadline, shared_memory.end_process, [code])
    timer.daemon = True
    timer.start()
    node.stop(grace)
    fork_server.close()
    # Threads of user code may still run: exit without joining them.
    shared_memory.end_process(code)
