"""The main loop: messages and requests from a wait set of its own, all else by rclpy.

When anything else is ready (a timer, a parameter service, the action), the executor of rclpy serves
that. Events of the middleware (such as an incompatible QoS) are served then, or every few seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.service import Service
from rclpy.task import Task

from sustainml_orchestrator.contract import wait_set
from sustainml_orchestrator.contract.wait_set import ClientId, Take, WaitSet, client_of
from sustainml_orchestrator.core.text import exception_text
from sustainml_orchestrator.node.pending_calls import Answer
from sustainml_orchestrator.node.responses import Responses

#: How often rclpy is looked at again after it had something to do.
_RESTLESS = 3
#: Without a wait set of our own: the wait of rclpy's, in s, always the same since with another one
#: it would begin its round anew and only resume pending coroutines; and the pause between two of
#: these that took no time.
_PLAIN_WAIT, _PAUSE = 0.05, 0.001

#: Makes a response; called with request, response, and the client where it is known.
Serve = Callable[[Any, Any, ClientId | None], Coroutine[Answer, None, Any]]


class Loop(SingleThreadedExecutor):
    """Spins one node; add it and spin, as with any executor.

    Attributes:
        taking: whether messages and requests are being taken, so that what they lead to can wait.
        after_taking: called when they are taken.
        after_spin: called at the end of each `spin_once`.
        ended: whether somebody asked for the end of the process.
    """

    def __init__(self) -> None:
        super().__init__()
        self._plain = not wait_set.available()
        self._wait_set = WaitSet(self.context, _log_failure)
        self._responses = Responses(get_logger("orchestrator").warning)
        self._created: list[Task[Any]] = []
        self._due = True
        self._restless = 0
        self.taking = self.ended = False
        self.after_taking: Callable[[], None] = lambda: None
        self.after_spin: Callable[[], None] = lambda: None

    # What is served here #

    def subscribe(self, node: Node, kind: type, topic: str, qos: QoSProfile, take: Take) -> None:
        """Have `take` called with all serialized messages that have come, one or more."""
        self._wait_set.subscribe(node, kind, topic, qos, take)

    def renew(self, node: Node, topic: str) -> None:
        """Replace the subscription to a topic."""
        self._wait_set.renew(node, topic)

    def serve(self, node: Node, kind: type, name: str, qos: QoSProfile, serve: Serve) -> None:
        """Offer a service; `serve` makes the response, and raises nothing.

        It may wait for an `Answer`, and for nothing else.
        """

        async def callback(request: Any, response: Any) -> Any:
            return await serve(request, response, None)

        def begin(service: Service, request: Any, header: Any) -> None:
            call = serve(request, kind.Response(), client_of(header))  # type: ignore[attr-defined]
            _run(call, partial(self._responses.send, service, header))

        if self._plain:
            # Reentrant: a call that waits must hold up nothing.
            group = ReentrantCallbackGroup()
            node.create_service(kind, name, callback, qos_profile=qos, callback_group=group)
        else:
            self._wait_set.serve(node, kind, name, qos, begin)

    # What rclpy serves #

    def wake(self) -> None:
        """Look again at what there is to do; rclpy calls it when entities come and go."""
        super().wake()
        self._due = True
        if not self._plain:
            self._wait_set.forget_entities()
            self._wait_set.wake()

    def end_wait(self) -> None:
        """End the wait for what is ready: the one call that other threads may make."""
        if self._plain:
            super().wake()
        else:
            self._wait_set.wake()

    def look_around(self) -> None:
        """Serve with the next `spin_once` what does not wake us: events of the middleware."""
        self._due = True

    def create_task(self, callback: Any, *args: Any, **kwargs: Any) -> Task[Any]:
        """Run a callback or coroutine with the next `spin_once`."""
        task: Task[Any] = super().create_task(callback, *args, **kwargs)
        self._created.append(task)
        self._due = True
        self._wait_set.wake()
        return task

    def look_again(self) -> None:
        """To be called now and then: rclpy may have to go on with what it has begun.

        Some of its steps (of the action, above all) trigger nothing that ends a wait.
        """
        if self._created or self._restless:
            self._restless = max(0, self._restless - 1)
            self._due = True

    # Spinning #

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Wait until something is ready, for so long at most (None: no limit), and serve it."""
        if self._plain:
            self._serve_plainly(timeout_sec)
        else:
            self._serve_ready(timeout_sec)
        self._responses.retry()
        self.after_spin()

    def _serve_ready(self, timeout_sec: float | None) -> None:
        timeout = -1 if timeout_sec is None else int(timeout_sec * 1e9)
        ready = self._wait_set.wait(0 if self._due else timeout, self.get_nodes())
        self.taking = True
        self._wait_set.dispatch(ready)
        self.taking = False
        self.after_taking()
        if ready:
            self._restless = _RESTLESS
        if ready or self._due:
            self._due = False
            self._created = [task for task in self._created if not task.done()]
            # One thing of rclpy, and each of its tasks that may have to go on.
            for _ in range(len(self._created) + 1):
                self._spin_rclpy(0.0)

    def _serve_plainly(self, timeout_sec: float | None) -> None:
        began = time.monotonic()
        self._spin_rclpy(_PLAIN_WAIT if timeout_sec is None or timeout_sec > 0 else 0.0)
        if timeout_sec and time.monotonic() - began < _PAUSE:
            time.sleep(_PAUSE)
        self.after_taking()

    def _spin_rclpy(self, timeout_sec: float) -> None:
        try:
            super().spin_once(timeout_sec)
        except ExternalShutdownException:
            raise
        except Exception:
            _log_failure("what rclpy served has failed")


def _log_failure(what: str) -> None:
    """The node must go on; someone should know."""
    get_logger("orchestrator").error(f"{what}:\n{exception_text()}")


def _run(call: Coroutine[Answer, None, Any], finish: Callable[[Any], None]) -> None:
    """Run a call until it ends or has to wait; in that case it goes on when it is answered."""
    try:
        answer = call.send(None)
    except StopIteration as end:
        finish(end.value)
    else:
        answer.when_given(partial(_run, call, finish))
