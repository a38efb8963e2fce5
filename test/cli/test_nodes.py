"""Node commands wait for processes that are ending or being restarted."""

from __future__ import annotations

import json

import pytest
from sustainml_msgs.msg import InstanceState, NodeState
from typer.testing import CliRunner, Result

import sustainml_orchestrator.client
from sustainml_orchestrator.cli import nodes
from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.client import RequestRefused
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, NodeStatus


def state(status: NodeStatus, incarnation: int = 1, *, responsive: bool = True) -> NodeState:
    process = InstanceState(instance="/x/m", incarnation=incarnation, responsive=responsive)
    return NodeState(
        node_name="m", node_status=int(status), responsive=responsive, instances=[process]
    )


ENDING = state(NodeStatus.TERMINATING)
LOST = state(NodeStatus.INACTIVE, responsive=False)
RESTARTED = state(NodeStatus.INACTIVE, 2)
IDLE = state(NodeStatus.IDLE)
NEVER_SEEN = NodeState(node_name="m")


class Scripted:
    """In a client's place: a node goes through its states, one for each look at it."""

    states: list[NodeState]
    sent: list[NodeCommand]

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get_node_status(self, name: str = "") -> list[NodeState]:
        return [self.states.pop(0) if len(self.states) > 1 else self.states[0]]

    def control_node(self, name: str, command: NodeCommand, timeout: float) -> list[NodeState]:
        (now,) = self.states[:1]
        if command is NodeCommand.START and not (now.responsive and len(self.states) == 1):
            raise RequestRefused(ErrorCode.NODE_UNAVAILABLE, "start its process")
        self.sent.append(command)
        return [now]


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    monkeypatch.setattr(sustainml_orchestrator.client, "OrchestratorClient", Scripted)
    monkeypatch.setattr(nodes, "_POLL_PERIOD", 0.001)
    monkeypatch.setattr(Scripted, "sent", [], raising=False)
    return Scripted


def command(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["node", *words])
    assert result.exit_code == code, result.output
    return result


def test_start_waits_until_a_process_is_replaced(
    node: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "states", [IDLE, ENDING, ENDING, LOST, RESTARTED], raising=False)
    assert command("start", "all").stderr.splitlines() == [
        "waiting: node m is TERMINATING",
        "waiting: node m is lost",
    ]
    assert node.sent == [NodeCommand.START]


@pytest.mark.parametrize("states", [[LOST, LOST], [NEVER_SEEN, NEVER_SEEN]])
def test_a_node_that_does_not_come_back_is_refused_with_the_remedy(
    node: type[Scripted], monkeypatch: pytest.MonkeyPatch, states: list[NodeState]
) -> None:
    monkeypatch.setattr(node, "states", states, raising=False)
    result = command("start", "m", "--timeout", "0.1", code=1)
    assert "NODE_UNAVAILABLE: start its process" in result.stderr
    assert ("waiting" in result.stderr) is bool(states[0].instances)


def test_terminate_waits_until_the_process_is_gone(
    node: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [IDLE, ENDING, ENDING, RESTARTED]
    monkeypatch.setattr(node, "states", list(states), raising=False)
    (shown,) = json.loads(command("terminate", "m", "--json").stdout)
    assert shown["instances"][0]["incarnation"] == 2
    monkeypatch.setattr(node, "states", list(states), raising=False)
    (shown,) = json.loads(command("terminate", "m", "--json", "--no-wait").stdout)
    assert shown["node_status"] == int(NodeStatus.TERMINATING)
