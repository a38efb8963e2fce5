"""Life of a module's process, from the command line to the exit code."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial

import rclpy
from rclpy.signals import SignalHandlerOptions

from sustainml_orchestrator.contract import discovery
from sustainml_orchestrator.sdk.module import Module
from sustainml_orchestrator.sdk.module_node import ModuleNode
from sustainml_orchestrator.sdk.module_spec import spec_of
from sustainml_orchestrator.sdk.worker_fork_server import WorkerForkServer
from sustainml_orchestrator.sdk.worker_process import serve

#: After a signal the process is gone within 2 s: user code has this long to heed, s.
_SIGNAL_GRACE = 0.5
_SIGNAL_DEADLINE = 1.7

_SIGNAL, _COMMAND = "signal", "command"


def run(cls: type[Module], args: Sequence[str] | None = None) -> int:
    """Run the module until a signal or TERMINATE_NODE ends the process with 0.

    Returns:
        The exit code, where it could not start.
    """
    # put() may be called from a signal handler, which no lock or event permits.
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: requests.put(_SIGNAL))
    try:
        spec_of(cls)
        nursery = WorkerForkServer(partial(serve, cls))
    except TypeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        discovery.prefer_profile()
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = ModuleNode(cls, nursery, on_exit=lambda: requests.put(_COMMAND))
    except Exception as error:
        sys.stderr.write(f"{cls.module}: {error}\n")
        nursery.close()
        return 2
    nursery.watch()
    node.start()
    _end(node, nursery, requests.get())
    # Fast DDS was seen to crash, and to spin for ever with the GIL held, when a node is destroyed
    # while its peers leave too, as they do when a whole system ends. The others notice the end of
    # a process without that; and user code may hold on to a thread, which no means ends but this.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _end(node: ModuleNode, nursery: WorkerForkServer, reason: str) -> None:
    """Stop all work, in time whatever hangs."""
    values = node.values
    grace, deadline = _SIGNAL_GRACE, _SIGNAL_DEADLINE
    if reason == _COMMAND:
        deadline = 0.9 * values.termination_grace
        grace = 0.5 * values.termination_grace
    grace = min(grace, values.cancel_grace)
    # Whatever hangs, the process ends in time; its children end with it.
    timer = threading.Timer(deadline, os._exit, [0])
    timer.daemon = True
    timer.start()
    node.stop(grace)
    nursery.close()
