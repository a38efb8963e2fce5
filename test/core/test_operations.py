"""Node commands of front-ends: one node after the other, each answered once."""

from __future__ import annotations

import pytest
from support.driver import Driver

from sustainml_orchestrator.core.commands import Reply, SendControl
from sustainml_orchestrator.core.events import NodeCommanded, TimePassed
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, NodeStatus


def ask(core: Driver, name: str, what: NodeCommand, timeout: float = 5.0) -> None:
    core.forget()
    core.give(NodeCommanded(5, name, what, timeout))


def obey(core: Driver, status: NodeStatus) -> str:
    """The node that was told last does as told."""
    sent = core.find(SendControl)[-1]
    core.status(sent.target, status, last_command=sent.command_id)
    return sent.target


@pytest.mark.parametrize(
    ("what", "status"),
    [
        (NodeCommand.STOP, NodeStatus.INACTIVE),
        (NodeCommand.TERMINATE, NodeStatus.TERMINATING),
        (NodeCommand.RESET, NodeStatus.IDLE),
    ],
)
def test_all_in_order_or_in_reverse(core: Driver, what: NodeCommand, status: NodeStatus) -> None:
    ask(core, "", what, 60.0)
    told = [obey(core, status) for _ in core.names]
    assert told == (core.names if what is NodeCommand.RESET else core.names[::-1])
    (reply,) = core.find(Reply)
    assert reply.error is None and sorted(reply.value) == sorted(core.names)


def test_starting_all_that_are_active_is_done_at_once(core: Driver) -> None:
    ask(core, "", NodeCommand.START)
    (reply,) = core.find(Reply)
    assert reply.error is None and not core.find(SendControl)


def test_all_stop_at_the_first_failure(core: Driver) -> None:
    core.status(core.names[1], NodeStatus.INACTIVE)
    ask(core, "", NodeCommand.RESET, 60.0)
    obey(core, NodeStatus.IDLE)
    (reply,) = core.find(Reply)
    assert reply.error.code is ErrorCode.REJECTED and core.names[1] in reply.error.message
    assert {c.target for c in core.find(SendControl)} == {core.names[0]}


def test_a_later_command_takes_the_place_of_an_earlier(core: Driver) -> None:
    ask(core, "hw_resources", NodeCommand.RESET, 60.0)
    core.give(NodeCommanded(6, "hw_resources", NodeCommand.STOP, 60.0))
    obey(core, NodeStatus.INACTIVE)
    answers = {reply.call: reply.error for reply in core.find(Reply)}
    assert answers[6] is None and answers[5].code is ErrorCode.REJECTED
    assert "STOP_NODE to hw_resources took its place" in answers[5].message


def test_two_callers_of_one_command_are_both_answered(core: Driver) -> None:
    ask(core, "hw_resources", NodeCommand.STOP)
    core.give(NodeCommanded(6, "hw_resources", NodeCommand.STOP, 5.0))
    obey(core, NodeStatus.INACTIVE)
    assert {r.call: r.error for r in core.find(Reply)} == {5: None, 6: None}


def test_a_refused_command_changes_nothing(core: Driver) -> None:
    before = [(n.desired_active, n.outbox.node_order) for n in core.core.lifecycle.nodes]
    revision = core.core.store.revision
    ask(core, "nobody", NodeCommand.STOP)
    assert core.find(Reply)[0].error.code is ErrorCode.NOT_FOUND
    assert [(n.desired_active, n.outbox.node_order) for n in core.core.lifecycle.nodes] == before
    assert core.core.store.revision == revision and core.core.operations.idle


def test_terminated_nodes_stay_down_when_started_again(core: Driver) -> None:
    ask(core, "hw_resources", NodeCommand.TERMINATE)
    obey(core, NodeStatus.TERMINATING)
    core.incarnations["hw_resources"] = 2
    core.status("hw_resources", NodeStatus.INACTIVE)
    core.forget()
    core.beat(5.0)
    assert not core.find(SendControl)


def test_resets_of_two_callers_are_both_answered_by_the_later_one(core: Driver) -> None:
    """The first may have been obeyed before the cause of the trouble was removed."""
    ask(core, "hw_resources", NodeCommand.RESET, 60.0)
    first = core.find(SendControl)[-1].command_id
    core.status("hw_resources", NodeStatus.INITIALIZING, last_command=first)
    core.give(NodeCommanded(6, "hw_resources", NodeCommand.RESET, 60.0))
    core.status("hw_resources", NodeStatus.IDLE, last_command=first)
    assert not core.find(Reply)
    obey(core, NodeStatus.IDLE)
    assert {r.call: r.error for r in core.find(Reply)} == {5: None, 6: None}


@pytest.mark.parametrize("beats", [1, 4])
def test_a_node_that_ignores_everything_is_terminated_however_often_it_is_reset(
    core: Driver, beats: int
) -> None:
    """A person's commands do not give it all the time again, nor forget what it ignored."""
    core.status("hw_resources", NodeStatus.ERROR, error_code=1, last_command=1)
    for _ in range(30 // beats):
        core.give(NodeCommanded(5, "hw_resources", NodeCommand.RESET, 60.0))
        for _ in range(beats):
            core.status("hw_resources", NodeStatus.ERROR, error_code=1, last_command=1)
            core.give(TimePassed(), 0.4)
    sent = [c.cmd_node for c in core.find(SendControl) if c.target == "hw_resources"]
    assert NodeCommand.TERMINATE in sent


def test_stopping_is_not_refused_for_load(core: Driver) -> None:
    core.core.settings.max_active_tasks = core.core.settings.max_waiting_tasks = 1
    core.submit()
    core.submit()
    for call in range(100, 400):
        core.give(NodeCommanded(call, "", NodeCommand.STOP, 60.0))
    for _ in core.names:
        obey(core, NodeStatus.INACTIVE)
    assert {r.call: r.error for r in core.find(Reply) if r.call >= 100} == dict.fromkeys(
        range(100, 400)
    )


def leave(core: Driver, name: str, *, reported: bool) -> None:
    """A node is terminated on request; whether it reports so before its process is gone."""
    core.give(NodeCommanded(9, name, NodeCommand.TERMINATE, 60.0))
    if reported:
        obey(core, NodeStatus.TERMINATING)


def respawn(core: Driver, name: str) -> None:
    """A new process of a node appears and obeys START_NODE."""
    core.incarnations[name] += 1
    core.status(name, NodeStatus.INACTIVE)
    core.beat(3.0)
    sent = [c for c in core.find(SendControl) if c.target == name][-1]
    assert sent.cmd_node is NodeCommand.START
    core.status(name, NodeStatus.IDLE, last_command=sent.command_id)


def answers(core: Driver, call: int) -> list[Reply]:
    return [reply for reply in core.find(Reply) if reply.call == call]


@pytest.mark.parametrize("asked", ["hw_resources", ""])
@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("reported", [False, True])
def test_a_node_that_terminates_is_started_once_it_is_back(
    core: Driver, asked: str, gone: bool, reported: bool
) -> None:
    leave(core, "hw_resources", reported=reported)
    if gone:
        core.beat(4.0, silent=("hw_resources",))
        assert not core.core.lifecycle.by_name["hw_resources"].responsive
    ask(core, asked, NodeCommand.START, 60.0)
    assert not answers(core, 5) and core.core.lifecycle.by_name["hw_resources"].desired_active
    assert not [c for c in core.find(SendControl) if c.cmd_node is NodeCommand.START]
    respawn(core, "hw_resources")
    (reply,) = answers(core, 5)
    assert reply.error is None and core.core.lifecycle.ready


def test_starting_a_node_that_does_not_come_back_times_out(core: Driver) -> None:
    leave(core, "hw_resources", reported=True)
    ask(core, "hw_resources", NodeCommand.START, 10.0)
    core.beat(9.0, silent=("hw_resources",))
    assert not answers(core, 5)
    core.beat(2.0, silent=("hw_resources",))
    (reply,) = answers(core, 5)
    assert reply.error.code is ErrorCode.TIMEOUT
    assert "start its process again" in reply.error.message
    respawn(core, "hw_resources")  # it is wanted active all the same
    assert core.core.lifecycle.ready


@pytest.mark.parametrize("gone", [False, True])
def test_a_node_that_terminates_on_request_is_not_reset(core: Driver, gone: bool) -> None:
    leave(core, "hw_resources", reported=True)
    if gone:
        core.beat(4.0, silent=("hw_resources",))
    ask(core, "hw_resources", NodeCommand.RESET)
    assert answers(core, 5)[0].error.code is ErrorCode.REJECTED
    ask(core, "hw_resources", NodeCommand.TERMINATE)  # repeated: it is so already
    assert answers(core, 5)[0].error is None


def test_a_reset_of_a_node_that_recovery_terminates_is_done_when_it_is_back(core: Driver) -> None:
    core.core.lifecycle.by_name["hw_resources"].outbox.command(NodeCommand.TERMINATE)
    ask(core, "hw_resources", NodeCommand.RESET, 60.0)
    assert not answers(core, 5) and not core.find(SendControl)
    respawn(core, "hw_resources")
    assert answers(core, 5)[0].error is None and core.core.lifecycle.ready
