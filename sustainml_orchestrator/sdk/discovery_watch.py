"""Notices that the participant of this process no longer discovers the orchestrator.

A participant of Fast DDS that hears nothing of another one for a lease of 20 s forgets it; the
other one may not, if packets were lost in one direction only. If then the first request of the
participant for the other's endpoints is lost, and a heartbeat of the other one is not, it asks for
endpoints that the other one takes as known to it, and discovers none of them for ever. A new
participant discovers them at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from sustainml_orchestrator.contract import names

#: For how long no orchestrator is discovered before another participant looks, in s; after a
#: look that discovers none, twice as long each time, up to the last.
_PATIENCE, _LONGEST = 15.0, 120.0
#: How long another participant looks, in s. It is believed when it discovers an orchestrator for
#: half of that time: one that has just started may be discovered by one before the other.
_LOOK = 8.0
#: Time between two checks, in s.
_PERIOD = 1.0


class DiscoveryWatch:
    """Looks with another participant when a node discovers no orchestrator.

    Args:
        node: the node of the module.
        args: command line of the process, with the security enclave.
        stale: called once, when another participant discovers an orchestrator and the node's
            still does not.
        patience: first time without an orchestrator until such a look, in s.
        look: how long that look takes, in s.
    """

    def __init__(
        self,
        node: Node,
        args: Sequence[str] | None,
        stale: Callable[[], None],
        patience: float = _PATIENCE,
        look: float = _LOOK,
    ) -> None:
        self._node, self._args, self._stale = node, args, stale
        self._patience, self._look = patience, look
        self._topic = node.resolve_topic_name(names.CONTROL)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch discovery", daemon=True)

    def start(self) -> None:
        """Watch in a thread."""
        self._thread.start()

    def end(self) -> None:
        """Watch no more, and wait for the thread."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        unseen, patience = 0.0, self._patience
        while not self._ended.wait(_PERIOD):
            try:
                if self._node.count_publishers(self._topic):
                    unseen, patience = 0.0, self._patience
                    continue
                unseen += _PERIOD
                if unseen < patience:
                    continue
                unseen, patience = 0.0, min(2 * patience, _LONGEST)
                if self._another_discovers() and not self._ended.is_set():
                    self._stale()
                    return
            except Exception as error:  # of the middleware; the node goes on
                self._node.get_logger().debug(f"no look at the graph: {error!r}")

    def _another_discovers(self) -> bool:
        """Whether another participant discovers an orchestrator, and the node's never does."""
        context = Context()
        signals = SignalHandlerOptions.NO
        rclpy.init(args=self._args, context=context, signal_handler_options=signals)
        try:
            other = Node(
                f"_{self._node.get_name()}_look", namespace=self._node.get_namespace(),
                context=context, use_global_arguments=False, enable_rosout=False,
                start_parameter_services=False,
            )  # fmt: skip
            try:
                return self._compare(other)
            finally:
                other.destroy_node()
        finally:
            context.try_shutdown()

    def _compare(self, other: Node) -> bool:
        seen = 0.0
        for _ in range(int(self._look / _PERIOD)):
            if self._ended.wait(_PERIOD) or self._node.count_publishers(self._topic):
                return False
            seen = seen + _PERIOD if other.count_publishers(self._topic) else 0.0
        return seen >= self._look / 2
