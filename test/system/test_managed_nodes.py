"""A real managed node of rclpy is commanded by its services of lifecycle_msgs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import rclpy
from lifecycle_msgs.msg import State, Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from support.system import wait_for
from support.up_process import Up, sustainml
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.client import OrchestratorClient, RequestRefused
from sustainml_orchestrator.core.ids import NodeCommand, TaskId, TaskStatus

SUPPORT = Path(__file__).parents[1] / "support"
NAME = "hw_constraints"
PIPELINE = f"""\
modules:
  {NAME}:
    inputs: [user_input]
    output_type: HWConstraints
    lifecycle: managed
    executable: {SUPPORT / "managed_node.py"}
  ml_model_metadata:
    inputs: [user_input]
    output_type: MLModelMetadata
"""


@pytest.fixture(scope="module")
def refusal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """While this file is there, the node refuses to be configured."""
    return tmp_path_factory.mktemp("managed") / "refuse"


@pytest.fixture(scope="module")
def system(refusal: Path) -> Iterator[Up]:
    os.environ["REFUSE_TO_CONFIGURE"] = str(refusal)
    os.environ["HANG_IN_CONFIGURE"] = str(refusal.with_name("hang"))
    file = refusal.with_name("pipeline.yaml")
    file.write_text(PIPELINE)
    up = Up("--pipeline", str(file), "--isolation", "thread")
    try:
        up.wait_for_line("[up] ready")
        yield up
    finally:
        up.end()
        del os.environ["REFUSE_TO_CONFIGURE"], os.environ["HANG_IN_CONFIGURE"]


@pytest.fixture(scope="module")
def client(system: Up) -> Iterator[OrchestratorClient]:
    with OrchestratorClient(system.namespace, timeout=20.0) as client:
        yield client


class Lifecycle:
    """What `ros2 lifecycle get` and `set` do."""

    def __init__(self, node: Node, executor: Executor, name: str) -> None:
        self._executor, self._node, self._name = executor, node, name
        self._get = node.create_client(GetState, f"{name}/get_state")
        self._change = node.create_client(ChangeState, f"{name}/change_state")

    def events(self) -> list[TransitionEvent]:
        """The transition_events that will come."""
        events: list[TransitionEvent] = []
        topic = f"{self._name}/transition_event"
        self._node.create_subscription(TransitionEvent, topic, events.append, 10)
        wait_for(lambda: self._node.count_publishers(topic) > 0, 10.0)
        return events

    def state(self) -> int:
        # A request is lost where the server is not discovered yet. A process that was killed
        # counts as a server until its lease is over, so waiting for a server does not help.
        for _ in range(10):
            if (response := self._call(self._get, GetState.Request(), 2.0)) is not None:
                return int(response.current_state.id)
        raise AssertionError(f"{self._get.srv_name} did not answer 10 requests")

    def change(self, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        response = self._call(self._change, request, 20.0)
        assert response is not None, self._change.srv_name
        return bool(response.success)

    def _call(self, client: rclpy.client.Client, request: object, timeout: float) -> object:
        assert client.wait_for_service(10.0), client.srv_name
        future = client.call_async(request)
        self._executor.spin_until_future_complete(future, timeout_sec=timeout)
        return future.result() if future.done() else None


@pytest.fixture(scope="module")
def lifecycle(system: Up) -> Iterator[Callable[[str], Lifecycle]]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("lifecycle_tool", namespace=system.namespace, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        # A server drops the answer to a client that it has just discovered: ask by the same one.
        yield cache(lambda name: Lifecycle(node, executor, name))
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def solve(client: OrchestratorClient) -> TaskId:
    task_id = client.start_task(UserInput(problem_definition="tell cats from dogs"))
    (*_, last) = client.watch([task_id], timeout=30.0)
    assert last.task_status == TaskStatus.SUCCEEDED, last.outcome_reason
    return task_id


def test_it_is_started_and_does_its_work(
    client: OrchestratorClient, lifecycle: Callable[[str], Lifecycle]
) -> None:
    assert lifecycle(NAME).state() == State.PRIMARY_STATE_ACTIVE
    task = client.get_task(solve(client))
    assert task.hw_constraints.max_memory_footprint == 1024
    # It publishes no statuses, which would say whose work this was.
    done = {each.node_name: each.instance for each in task.summary.modules}
    assert done[NAME] == f"{client.namespace}/{NAME}"
    assert client.get_node_status(NAME)[0].instances[0].finished_tasks == 1


def test_commands_are_its_transitions(
    client: OrchestratorClient, lifecycle: Callable[[str], Lifecycle]
) -> None:
    managed = lifecycle(NAME)
    client.control_node(NAME, NodeCommand.STOP, 10.0)
    assert managed.state() == State.PRIMARY_STATE_INACTIVE
    client.control_node(NAME, NodeCommand.START, 10.0)
    assert managed.state() == State.PRIMARY_STATE_ACTIVE
    client.control_node(NAME, NodeCommand.RESET, 10.0)
    assert managed.state() == State.PRIMARY_STATE_ACTIVE
    solve(client)


def test_what_is_asked_of_it_directly_is_seen(
    system: Up, client: OrchestratorClient, lifecycle: Callable[[str], Lifecycle]
) -> None:
    """It is wanted active, so it is activated again."""
    managed = lifecycle(NAME)
    assert managed.change(Transition.TRANSITION_DEACTIVATE)
    wait_for(lambda: managed.state() == State.PRIMARY_STATE_ACTIVE, 10.0)
    solve(client)


def test_a_task_that_it_missed_is_delivered_again(client: OrchestratorClient) -> None:
    client.control_node(NAME, NodeCommand.STOP, 10.0)
    task_id = client.start_task(UserInput(problem_definition="tell cats from dogs"))
    client.control_node(NAME, NodeCommand.START, 10.0)
    (*_, last) = client.watch([task_id], timeout=30.0)
    assert last.task_status == TaskStatus.SUCCEEDED, last.outcome_reason


def test_one_that_refuses_is_in_error_until_it_is_reset(
    system: Up, client: OrchestratorClient, refusal: Path
) -> None:
    refusal.touch()
    with pytest.raises(RequestRefused, match="configure failed; the node is unconfigured"):
        client.control_node(NAME, NodeCommand.RESET, 10.0)
    refusal.unlink()
    sustainml(system, "node", "reset", NAME)
    states = json.loads(sustainml(system, "nodes", "--json").stdout)
    assert next(s for s in states if s["node_name"] == NAME)["node_status"] == 2
    solve(client)


def test_one_that_is_finalized_counts_as_gone_until_its_process_is_replaced(
    system: Up, client: OrchestratorClient, lifecycle: Callable[[str], Lifecycle]
) -> None:
    """No transition leads out of that state, and the process lives on."""
    assert lifecycle(NAME).change(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    wait_for(lambda: not client.get_node_status(NAME)[0].responsive, 20.0)
    with pytest.raises(RequestRefused, match="start its process again"):
        client.control_node(NAME, NodeCommand.START, 10.0)
    (process,) = [p for p in system.family() if str(SUPPORT / "managed_node.py") in p.cmdline()]
    process.kill()
    solve(client)


def test_one_that_dies_in_a_transition_is_commanded_anew(
    system: Up, client: OrchestratorClient, refusal: Path
) -> None:
    """The response that never comes is not waited for until `start_timeout` (300 s) is over."""
    hang = refusal.with_name("hang")
    hang.touch()
    with pytest.raises(RequestRefused, match="still INITIALIZING"):
        client.control_node(NAME, NodeCommand.RESET, 2.0)
    wait_for(hang.with_name("hang.seen").exists, 10.0)
    (process,) = [p for p in system.family() if str(SUPPORT / "managed_node.py") in p.cmdline()]
    process.kill()
    solve(client)


def test_modules_and_the_orchestrator_are_moved_by_transitions_too(
    system: Up, client: OrchestratorClient, lifecycle: Callable[[str], Lifecycle]
) -> None:
    """A transition is the command: the orchestrator does not undo it."""
    module, orchestrator = lifecycle("ml_model_metadata"), lifecycle("orchestrator")
    events = module.events()
    assert module.state() == orchestrator.state() == State.PRIMARY_STATE_ACTIVE
    assert module.change(Transition.TRANSITION_DEACTIVATE)
    (state,) = client.get_node_status("ml_model_metadata")
    assert (state.node_status, state.desired_status) == (0, 0)
    assert module.state() == State.PRIMARY_STATE_INACTIVE
    assert not module.change(Transition.TRANSITION_DEACTIVATE)  # not permitted in that state
    for transition in (Transition.TRANSITION_CLEANUP, Transition.TRANSITION_CONFIGURE):
        assert module.change(transition)
    assert module.change(Transition.TRANSITION_ACTIVATE)
    assert module.state() == State.PRIMARY_STATE_ACTIVE
    assert [e.goal_state.label for e in events] == [
        "inactive",
        "unconfigured",
        "inactive",
        "active",
    ]
    client.control_node("ml_model_metadata", NodeCommand.STOP, 10.0)
    assert module.state() == State.PRIMARY_STATE_INACTIVE
    assert orchestrator.change(Transition.TRANSITION_DEACTIVATE)
    assert lifecycle(NAME).state() == State.PRIMARY_STATE_INACTIVE
    assert orchestrator.change(Transition.TRANSITION_ACTIVATE)
    assert module.state() == orchestrator.state() == State.PRIMARY_STATE_ACTIVE
    solve(client)
