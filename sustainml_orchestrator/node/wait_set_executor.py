"""The orchestrator's main loop: what is frequent it serves itself, all else as rclpy does.

An executor of rclpy builds its wait set in Python, over all entities of the node, twice for each
message: with the entities of this node that takes longer than all that a message leads to. Here
one wait set stands and is filled again (20 µs); messages and requests are taken from it, as many
as there are. When anything else is ready (a timer, a parameter service, the action), the executor
serves that. Events of the middleware (a peer with another QoS) are served then, or now and then.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from rclpy.event_handler import EventHandler
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.task import Task
from rclpy.waitable import NumberOfEntities

from sustainml_orchestrator.node.null_callback_group import NullCallbackGroup
from sustainml_orchestrator.node.pending_calls import Answer

#: Taken in one turn from one subscription or service, so that none keeps the others waiting.
_MOST_MESSAGES, _MOST_REQUESTS = 100, 20
#: How often rclpy is looked at again after it had something to do.
_RESTLESS = 3
_KINDS = ("subscription", "service", "timer", "client", "guard_condition")

Take = Callable[[list[bytes]], None]
Serve = Callable[[Any, Any], Coroutine[Answer, None, Any]]


class Loop(SingleThreadedExecutor):
    """Spins one node; add it and spin, as with any executor."""

    def __init__(self) -> None:
        super().__init__()
        self._apart = NullCallbackGroup()
        self._messages: list[tuple[Subscription, Take]] = []
        self._requests: list[tuple[Service, Serve]] = []
        self._bell = GuardCondition(None, None, context=self.context)
        self._wait_set: _rclpy.WaitSet | None = None
        self._waited_for: list[tuple[Callable[..., object], Any]] = []
        self._created: list[Task[Any]] = []
        self._due = True
        self._restless = 0
        #: whether messages and requests are being taken, so that what they lead to can wait
        self.taking = False
        #: called when they are taken, and at the end of each turn of the loop
        self.after_taking: Callable[[], None] = lambda: None
        self.after_turn: Callable[[], None] = lambda: None

    # What is served here #

    def subscribe(self, node: Node, kind: type, topic: str, qos: QoSProfile, take: Take) -> None:
        """Have `take` called with all serialized messages that have come, one or more."""
        subscription = node.create_subscription(
            kind, topic, take, qos, raw=True, callback_group=self._apart
        )
        self._messages.append((subscription, take))

    def serve(self, node: Node, kind: type, name: str, qos: QoSProfile, serve: Serve) -> None:
        """Offer a service; `serve` makes the response, and raises nothing.

        It may wait for an `Answer`, and for nothing else.
        """
        service = node.create_service(
            kind, name, serve, qos_profile=qos, callback_group=self._apart
        )
        self._requests.append((service, serve))

    # What rclpy serves #

    def wake(self) -> None:
        """Look again at what there is to do; rclpy calls it when entities come and go."""
        super().wake()
        self._due = True
        self._wait_set = None
        self._bell.trigger()

    def look_around(self) -> None:
        """Serve with the next turn what does not wake us: events of the middleware."""
        self._due = True

    def create_task(self, callback: Any, *args: Any, **kwargs: Any) -> Task[Any]:
        """Run a callback or coroutine with the next turn of the loop."""
        task: Task[Any] = super().create_task(callback, *args, **kwargs)
        self._created.append(task)
        self._due = True
        self._bell.trigger()
        return task

    def look_again(self) -> None:
        """To be called now and then: rclpy may have to go on with what it has begun.

        Some of its steps (of the action, above all) trigger nothing that ends a wait.
        """
        if self._created or self._restless:
            self._restless = max(0, self._restless - 1)
            self._due = True

    # Turns #

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Wait until something is ready, for so long at most (None: no limit), and serve it."""
        ready = self._wait(-1 if timeout_sec is None else int(timeout_sec * 1e9))
        self.taking = True
        for subscription, take in self._messages:
            if subscription.handle.pointer in ready:
                ready.remove(subscription.handle.pointer)
                self._hand_on(subscription, take)
        for service, serve in self._requests:
            if service.handle.pointer in ready:
                ready.remove(service.handle.pointer)
                self._answer(service, serve)
        self.taking = False
        self.after_taking()
        if ready:
            self._restless = _RESTLESS
        if ready or self._due:
            self._serve_others()
        self.after_turn()

    def _wait(self, timeout: int) -> set[int]:
        """Wait so many ns (-1: no limit); the pointers of what is ready."""
        if self._wait_set is None:
            self._gather()
        wait_set = self._wait_set
        wait_set.clear_entities()
        for add, entity in self._waited_for:
            add(entity)
        wait_set.wait(0 if self._due else timeout)
        return {pointer for kind in _KINDS for pointer in wait_set.get_ready_entities(kind)}

    def _gather(self) -> None:
        """Make the wait set for the entities that there are now."""
        nodes = self.get_nodes()
        waitables = [
            waitable
            for node in nodes
            for waitable in node.waitables
            if not isinstance(waitable, EventHandler)
        ]
        kinds = {
            kind: [entity.handle for node in nodes for entity in getattr(node, f"{kind}s")]
            for kind in ("subscription", "timer", "client", "service")
        }
        count = sum((waitable.get_num_entities() for waitable in waitables), NumberOfEntities(
            len(kinds["subscription"]), 1, *(len(kinds[k]) for k in ("timer", "client", "service"))
        ))  # fmt: skip
        self._wait_set = wait_set = _rclpy.WaitSet(
            count.num_subscriptions, count.num_guard_conditions, count.num_timers,
            count.num_clients, count.num_services, count.num_events, self.context.handle,
        )  # fmt: skip
        self._waited_for = [
            (wait_set.add_guard_condition, self._bell.handle),
            *((getattr(wait_set, f"add_{kind}"), h) for kind, all_ in kinds.items() for h in all_),
            *((waitable.add_to_wait_set, wait_set) for waitable in waitables),
        ]

    def _hand_on(self, subscription: Subscription, take: Take) -> None:
        handle, kind = subscription.handle, subscription.msg_type
        messages: list[bytes] = []
        while len(messages) < _MOST_MESSAGES and (taken := handle.take_message(kind, True)):
            messages.append(taken[0])
        try:
            take(messages)
        except Exception:
            _tell(f"messages of {subscription.topic_name} are lost")

    def _answer(self, service: Service, serve: Serve) -> None:
        kind = service.srv_type
        for _ in range(_MOST_REQUESTS):
            try:
                request, header = service.handle.service_take_request(kind.Request)
            except Exception:
                _tell(f"a request to {service.service_name} cannot be read")
                continue
            if header is None:
                return
            _run(serve(request, kind.Response()), partial(_respond, service, header))

    def _serve_others(self) -> None:
        """Let the executor do one thing, and look at each of its tasks that may have to go on."""
        self._due = False
        self._created = [task for task in self._created if not task.done()]
        for _ in range(len(self._created) + 1):
            try:
                super().spin_once(0.0)
            except ExternalShutdownException:
                raise
            except Exception:
                _tell("what rclpy served has failed")


def _respond(service: Service, header: object, response: Any) -> None:
    try:
        service.send_response(response, header)
    except Exception:
        _tell(f"a response of {service.service_name} cannot be sent")


def _tell(what: str) -> None:
    """The node must go on; someone should know."""
    get_logger("orchestrator").error(f"{what}:\n{traceback.format_exc()}")


def _run(call: Coroutine[Answer, None, Any], finish: Callable[[Any], None]) -> None:
    """Run a call until it ends or has to wait; in that case it goes on when it is answered."""
    try:
        answer = call.send(None)
    except StopIteration as end:
        finish(end.value)
    else:
        answer.when_given(partial(_run, call, finish))
