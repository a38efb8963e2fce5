"""Every wait of the client ends: with servers that are silent, refuse, die, or are not there."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import rclpy
from rclpy.context import Context
from support.scripted_orchestrator import serving
from support.system import wait_for
from sustainml_msgs.msg import ModuleProgress, NodeState, SystemState, TaskSummary, UserInput
from sustainml_msgs.srv import ControlNode, StartTask

from sustainml_orchestrator.client import (
    ClientError,
    OrchestratorClient,
    OrchestratorUnavailable,
    RequestRefused,
    RequestTimeout,
)
from sustainml_orchestrator.client.connection import checked
from sustainml_orchestrator.contract import domain, names
from sustainml_orchestrator.core.ids import ErrorCode, TaskCommand, TaskId

PROBLEM = UserInput(problem_definition="tell cats from dogs in photos")


def test_nobody_is_there(namespace: str) -> None:
    with (
        OrchestratorClient(namespace, timeout=0.5) as client,
        pytest.raises(OrchestratorUnavailable, match="sustainml up") as caught,
    ):
        client.get_task()
    assert caught.value.code is ErrorCode.NODE_UNAVAILABLE


def test_others_are_there_but_no_orchestrator(
    server: subprocess.Popen[bytes], client: OrchestratorClient, namespace: str
) -> None:
    client.list_tasks()  # the other framework is there
    with (
        OrchestratorClient(f"{namespace}_not") as stranger,
        pytest.raises(OrchestratorUnavailable, match="sustainml up"),
    ):
        stranger.get_task()


def test_state_of_nobody(namespace: str) -> None:
    with OrchestratorClient(namespace, timeout=0.2) as client:
        with pytest.raises(OrchestratorUnavailable):
            client.system_state()
        with pytest.raises(RequestTimeout, match="no orchestrator answers"):
            client.wait_until_ready(0.2)
        with pytest.raises(OrchestratorUnavailable):
            client.run_task(PROBLEM)


def test_a_silent_server_is_a_timeout(
    server: subprocess.Popen[bytes], client: OrchestratorClient
) -> None:
    client.list_tasks()  # it is there
    with pytest.raises(RequestTimeout, match="get_task was not answered"):
        client.call("get_task", 0.5)
    assert client.list_tasks() == ([], 0)  # and others are answered as before


def test_an_unknown_code_is_still_a_refusal(
    server: subprocess.Popen[bytes], client: OrchestratorClient
) -> None:
    with pytest.raises(RequestRefused, match="not today") as caught:
        client.delete_problem(1)
    assert caught.value.code is ErrorCode.INTERNAL_ERROR


def test_a_lost_response_is_asked_for_again_where_that_does_no_harm(
    server: subprocess.Popen[bytes], client: OrchestratorClient
) -> None:
    first, second = client.call("start_task", 20.0, user_input=PROBLEM).message.split()
    assert first == second  # the same task, if the first request was carried out
    with pytest.raises(RequestTimeout):
        client.call("control_task", 2.5, cmd_task=TaskCommand.STOP)
    assert client.call("control_task", 20.0, cmd_task=TaskCommand.STOP).message == "2"


def test_a_server_that_goes_ends_the_calls_to_it(
    server: subprocess.Popen[bytes], client: OrchestratorClient
) -> None:
    client.list_tasks()
    timer = threading.Timer(0.3, server.terminate)
    timer.start()
    with pytest.raises(OrchestratorUnavailable, match="went away"):
        client.call("get_task", 60.0)
    timer.join()


def test_a_server_that_restarts_answers_what_may_be_repeated(
    server: subprocess.Popen[bytes], client: OrchestratorClient, namespace: str
) -> None:
    client.list_tasks()
    with ThreadPoolExecutor() as pool:
        call = pool.submit(client.call, "start_task", 30.0, user_input=PROBLEM)
        other = pool.submit(client.call, "control_task", 30.0, cmd_task=TaskCommand.STOP)
        wait_for(lambda: client.call("list_tasks").message == "1 1")  # both have come
        server.terminate()
        with pytest.raises(OrchestratorUnavailable, match="went away"):
            other.result()
        with serving(namespace):
            first, *others = call.result().message.split()
    assert set(others) == {first}  # the same task, if an earlier request was carried out


def test_wrong_values_do_not_reach_the_wire(client: OrchestratorClient) -> None:
    for wrong in (
        lambda: client.get_task(TaskId(2**40, 1)),
        lambda: client.delete_problem(-1),
        lambda: client.start_task(PROBLEM, priority=1000),
        lambda: client.start_task("a problem"),
        lambda: client.start_task(PROBLEM, extra_data={"a": float("nan")}),
        lambda: client.start_task(PROBLEM, extra_data={"a": object()}),
        lambda: client.run_task(PROBLEM, request_id=7),
        lambda: client.start_task(UserInput(modality=3)),
        lambda: client.start_task(UserInput(inputs=["photo", None])),
        lambda: client.run_task(UserInput(desired_carbon_footprint="1")),
        lambda: client.start_iteration(TaskId(1, 1), UserInput(minimum_samples=-1), overrides=[]),
        lambda: client.start_iteration(TaskId(1, 1), overrides=["modality"]),
        lambda: client.start_task(UserInput(problem_definition="a\0b")),
        lambda: client.control_node("hw_resources", TaskCommand.STOP, timeout=True),
    ):
        with pytest.raises(RequestRefused) as caught:
            wrong()
        assert caught.value.code is ErrorCode.INVALID_REQUEST


def test_a_value_that_means_the_same_is_sent(
    server: subprocess.Popen[bytes], client: OrchestratorClient
) -> None:
    problem = UserInput(problem_definition="x", desired_carbon_footprint=1, inputs=("a", "b"))
    assert client.call("start_task", 20.0, user_input=problem).success
    request = checked(ControlNode.Request, node_name="n", cmd_node=TaskCommand.STOP, timeout=20)
    assert (request.cmd_node, request.timeout) == (1, 20.0) and type(request.timeout) is float
    with pytest.raises(RequestRefused, match=r"user_input\.modality is of type int"):
        checked(StartTask.Request, user_input=UserInput(modality=3))


def test_text_that_is_not_utf8_is_refused(
    server: subprocess.Popen[bytes], client: OrchestratorClient
) -> None:
    for wrong in (
        lambda: client.get_task(modules=["\udcff"]),
        lambda: client.run_task(PROBLEM, extra_data={"a": "\ud800"}),
        lambda: client.run_task(UserInput(problem_definition="\ud800")),
        lambda: client.run_task(PROBLEM, request_id="\udcff"),
    ):
        with pytest.raises(RequestRefused, match="not valid UTF-8") as caught:
            wrong()
        assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert client.list_tasks() == ([], 0)


@pytest.mark.parametrize("number", ["abc", "400", "-1", "1.5"])
def test_a_wrong_domain_is_named(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", number)
    with pytest.raises(OrchestratorUnavailable, match=f"ROS_DOMAIN_ID is '{number}'"):
        OrchestratorClient()


def test_a_wrong_namespace_is_named() -> None:
    with pytest.raises(OrchestratorUnavailable, match="Invalid namespace"):
        OrchestratorClient("my lab")


def test_a_node_that_does_not_answer_is_named(
    client: OrchestratorClient, server: subprocess.Popen[bytes]
) -> None:
    assert server.poll() is None
    with pytest.raises(ClientError) as failed:
        client.get_parameters("hw_resources", timeout=0.5)
    assert f"{client.namespace}/hw_resources does not answer; look at it" in failed.value.message


def test_clients_come_and_go(namespace: str) -> None:
    """Closed twice, several at a time, from several threads."""
    with OrchestratorClient(namespace) as first:
        begun = time.monotonic()
        for _ in range(5):
            with OrchestratorClient(namespace) as other:
                other.close()
        assert time.monotonic() - begun < 5.0  # none waits for its thread's next wake-up
        assert domain.participants(domain.current()) >= 1
        assert not first.states().get(0.0)


def test_messages_that_no_orchestrator_sends_are_dropped(
    client: OrchestratorClient, namespace: str
) -> None:
    context = Context()
    rclpy.init(context=context, args=[])
    node = rclpy.create_node("forger", namespace=namespace, context=context)
    updates = node.create_publisher(TaskSummary, names.TASK_UPDATES, names.TASK_UPDATES_QOS)
    states = node.create_publisher(SystemState, names.SYSTEM_STATE, names.SYSTEM_STATE_QOS)
    with client.updates() as of_tasks, client.states() as of_system:
        for publisher in (updates, states):
            wait_for(publisher.get_subscription_count)
        for update in (
            TaskSummary(task_status=200),
            TaskSummary(revision=2**63),
            TaskSummary(modules=[ModuleProgress(task_status=200)]),
            TaskSummary(revision=1),
        ):
            updates.publish(update)
        for nodes in ([NodeState(node_status=200)], [NodeState()]):
            states.publish(SystemState(nodes=nodes))
        update, state = of_tasks.get(5.0), of_system.get(5.0)
        assert update is not None and update.revision == 1
        assert state is not None and state.nodes[0].node_status == 0
    rclpy.shutdown(context=context)


def test_eight_threads_share_a_client(
    server: subprocess.Popen[bytes], client: OrchestratorClient
) -> None:
    """Subscriptions that come and go beside calls once ended the spinning thread for good."""

    def use(number: int) -> int:
        for _ in range(40):
            with client.updates() as updates, client.states():
                updates.get(0.0)
                assert client.list_tasks() == ([], 0)
        return number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(8))) == list(range(8))
    assert client._thread.is_alive() and not list(client.node.subscriptions)


def test_a_burst_of_calls_is_answered(
    server: subprocess.Popen[bytes], client: OrchestratorClient
) -> None:
    with ThreadPoolExecutor(500) as pool:
        answers = list(pool.map(lambda _: client.list_tasks(), range(500)))
    assert answers == [([], 0)] * 500


def test_a_thread_that_ended_is_reported_at_once(
    server: subprocess.Popen[bytes], client: OrchestratorClient
) -> None:
    client.list_tasks()

    def fail() -> None:
        raise MemoryError("no memory left")

    with ThreadPoolExecutor(1) as pool, client.updates() as updates:
        pending = pool.submit(client.call, "get_task", 60.0)
        client._executor.create_task(fail)
        client._thread.join(10.0)
        begun = time.monotonic()
        for call in (pending.result, client.list_tasks, lambda: updates.get(60.0)):
            with pytest.raises(ClientError, match="MemoryError no memory left"):
                call()
        with pytest.raises(ClientError, match="MemoryError"):
            list(client.watch([TaskId(1, 1)], timeout=60.0))
    assert time.monotonic() - begun < 5.0
    client.close()


def test_a_closed_client_refuses(server: subprocess.Popen[bytes], namespace: str) -> None:
    with OrchestratorClient(namespace, timeout=20.0) as client, ThreadPoolExecutor(1) as pool:
        client.list_tasks()
        pending = pool.submit(client.call, "get_task", 60.0)
        feed = client.updates()
        client.close()
        for call in (pending.result, client.list_tasks, lambda: feed.get(60.0)):
            with pytest.raises(ClientError, match="closed"):
                call()
        feed.close()


def test_a_forked_process_is_refused(
    server: subprocess.Popen[bytes], client: OrchestratorClient
) -> None:
    client.list_tasks()
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        try:
            client.list_tasks()
        except ClientError as error:
            os.write(writing, error.message.encode())
        finally:
            client.close()
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert "make a new one after a fork" in pipe.read()
    os.waitpid(pid, 0)
    assert client.list_tasks() == ([], 0)


def test_a_closed_client_leaves_no_shared_memory(namespace: str) -> None:
    """Segments of ports are shared with other processes; the others are its own."""

    def segments() -> set[Path]:
        lines = Path("/proc/self/maps").read_text().splitlines()
        paths = {Path(line.split()[-1]) for line in lines if "/dev/shm/fast" in line}
        return {path for path in paths if "port" not in path.name and path.exists()}

    before = segments()
    with OrchestratorClient(namespace):
        own = segments() - before
        assert own
    assert not [path for path in own if path.exists()]
