"""The law: the tables are those of the contract, and what they do not permit changes nothing."""

from __future__ import annotations

import pytest

from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus, TaskCommand, TaskStatus
from sustainml_orchestrator.core.states import (
    NODE_COMMANDS,
    NODE_GOALS,
    TASK_COMMANDS,
    TASK_MOVES,
    Effect,
)

#: As the contract writes it: rows are commands, columns states.
STATES = ("WAITING", "RUNNING", "STOPPED", "ERROR", "SUCCEEDED", "TERMINATED")
CONTRACT = {
    ("STOP", "STOPPED"): (True, True, False, False, False, False),
    ("RESET", "WAITING"): (False, True, True, True, True, False),
    ("PREEMPT", "WAITING"): (False, True, False, False, False, False),
    ("TERMINATE", "TERMINATED"): (True, True, True, True, False, False),
}


@pytest.mark.parametrize(("command", "result"), CONTRACT)
def test_the_command_table_is_that_of_the_contract(command: str, result: str) -> None:
    for name, permitted in zip(STATES, CONTRACT[command, result], strict=True):
        row = TASK_MOVES.get((TaskStatus[name], TASK_COMMANDS[TaskCommand[command]]))
        assert row is (TaskStatus[result] if permitted else None), (command, name)


def test_every_node_command_is_judged_in_every_state() -> None:
    commands = set(NodeCommand) - {NodeCommand.NONE}
    assert set(NODE_COMMANDS) == {(s, c) for s in NodeStatus for c in commands}
    assert set(NODE_GOALS) == commands


def test_node_commands_of_the_contract() -> None:
    for status in (NodeStatus.IDLE, NodeStatus.RUNNING):
        assert NODE_COMMANDS[status, NodeCommand.START] is Effect.NOTHING
    assert NODE_COMMANDS[NodeStatus.INACTIVE, NodeCommand.STOP] is Effect.NOTHING
    assert NODE_COMMANDS[NodeStatus.INACTIVE, NodeCommand.RESET] is Effect.REJECT
