"""The wait set of our own, with real entities; and responses that cannot be sent at once."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from support.system import wait_for
from sustainml_msgs.msg import TaskId
from sustainml_msgs.srv import DeleteProblem

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.contract.wait_set import ClientId, WaitSet, client_of
from sustainml_orchestrator.node import responses
from sustainml_orchestrator.node.responses import Responses

PATIENCE = 20.0


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    contexts = [rclpy.Context(), rclpy.Context()]
    for context in contexts:
        rclpy.init(context=context)
    made = [Node(name, context=c) for name, c in zip(("server", "client"), contexts, strict=True)]
    yield made[0], made[1]
    for node, context in zip(made, contexts, strict=True):
        node.destroy_node()
        rclpy.shutdown(context=context)


@pytest.mark.parametrize("executor", ["", "plain"])
def test_a_renewed_subscription_goes_on_receiving(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    monkeypatch.setenv("SUSTAINML_EXECUTOR", executor)
    server, client = nodes
    wait_set = WaitSet(server.context, pytest.fail)
    received: list[int] = []

    def take(messages: list[bytes]) -> None:
        received.extend(deserialize_message(data, TaskId).problem_id for data in messages)

    def serve() -> None:
        if executor:
            rclpy.spin_once(server, executor=plain, timeout_sec=0.01)
        else:
            wait_set.dispatch(wait_set.wait(10**7))

    plain = SingleThreadedExecutor(context=server.context)
    wait_set.subscribe(server, TaskId, "topic", names.DATA_QOS, take)
    publisher = client.create_publisher(TaskId, "topic", names.DATA_QOS)
    wait_for(publisher.get_subscription_count, PATIENCE)
    publisher.publish(TaskId(problem_id=1))
    (before,) = server.subscriptions
    wait_for(lambda: serve() or 1 in received, PATIENCE)
    publisher.publish(TaskId(problem_id=2))
    assert publisher.wait_for_all_acked(Duration(seconds=PATIENCE))
    wait_set.renew(server, "topic")
    assert received == [1, 2]  # what had come was not lost
    (after,) = server.subscriptions
    assert after is not before

    def publish() -> bool:
        publisher.publish(TaskId(problem_id=3))
        serve()
        return 3 in received

    wait_for(publish, PATIENCE)
    plain.shutdown()


def test_all_messages_that_have_come_are_handed_on(nodes: tuple[Node, Node]) -> None:
    server, client = nodes
    failures: list[str] = []
    wait_set = WaitSet(server.context, failures.append)
    heard: list[int] = []

    def take(messages: list[bytes]) -> None:
        heard.extend(deserialize_message(data, TaskId).problem_id for data in messages)
        if 3 in heard and 4 not in heard:
            raise ValueError("a callback that fails")

    wait_set.subscribe(server, TaskId, "topic", names.DATA_QOS, take)
    publisher = client.create_publisher(TaskId, "topic", names.DATA_QOS)
    wait_for(publisher.get_subscription_count, PATIENCE)
    for number in (1, 2, 3):
        publisher.publish(TaskId(problem_id=number))

    def heard_all(number: int) -> bool:
        wait_set.dispatch(wait_set.wait(10**8))
        return number in heard

    wait_for(lambda: heard_all(3), PATIENCE)
    publisher.publish(TaskId(problem_id=4))
    wait_for(lambda: heard_all(4), PATIENCE)
    assert heard == [1, 2, 3, 4] and len(failures) == 1
    wait_set.wake()
    assert wait_set.wait(-1) == set()  # without a limit: only the wake ends it


def test_a_request_tells_its_client_as_the_graph_does(nodes: tuple[Node, Node]) -> None:
    server, client = nodes
    wait_set = WaitSet(server.context, lambda what: pytest.fail(traceback.format_exc()))
    found: list[ClientId | None] = []

    def serve(service: Any, request: Any, header: Any) -> None:
        found.append(client_of(header))
        service.send_response(DeleteProblem.Response(), header)

    wait_set.serve(server, DeleteProblem, "service", names.SERVICE_QOS, serve)
    asking = client.create_client(DeleteProblem, "service", qos_profile=names.SERVICE_QOS)
    assert asking.wait_for_service(PATIENCE)
    asking.call_async(DeleteProblem.Request())

    def served() -> bool:
        wait_set.dispatch(wait_set.wait(10**8))
        return bool(found)

    wait_for(served, PATIENCE)
    (reader,) = server.get_subscriptions_info_by_topic("rr/serviceReply", no_mangle=True)
    assert found == [ClientId(bytes(reader.endpoint_gid)[:16])]
    assert client_of(object()) is None


class Unready:
    """A service whose client cannot be reached yet, as rclpy shows it."""

    service_name = "/service"

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.sent: list[object] = []

    def send_response(self, response: object, header: object) -> None:
        if self.refusals:
            self.refusals -= 1
            text = "failed to send response (timeout): client will not receive response"
            warnings.warn(text, RuntimeWarning, stacklevel=1)
        else:
            self.sent.append(response)


@pytest.mark.parametrize(("refusals", "sent"), [(0, True), (3, True), (10**9, False)])
def test_a_response_that_cannot_be_sent_is_sent_later_or_given_up(
    monkeypatch: pytest.MonkeyPatch, refusals: int, sent: bool
) -> None:
    monkeypatch.setattr(responses, "_PERIOD", 0.0)
    monkeypatch.setattr(responses, "_PATIENCE", 5.0 if sent else 0.0)
    said: list[str] = []
    monkeypatch.setattr(warnings, "showwarning", lambda *args, **kwargs: said.append(str(args[0])))
    service, out = Unready(refusals), Responses(said.append)
    out.send(service, None, "response")  # type: ignore[arg-type]
    while out.waiting:
        out.retry()
    assert service.sent == (["response"] if sent else [])
    given_up = "a response of /service was given up: its client cannot be reached"
    assert said == ([] if sent else [given_up])
    warnings.warn("something else", RuntimeWarning, stacklevel=1)
    assert "something else" in said[-1]
