"""Nodes: bring-up, loss, return, errors, the ladder, and the commands of front-ends."""

from __future__ import annotations

from itertools import pairwise

import pytest
from support.driver import Driver

from sustainml_orchestrator.core.adapters import ECHO_ADAPTER, STATE_ADAPTER
from sustainml_orchestrator.core.commands import Reply, SendControl
from sustainml_orchestrator.core.events import NodeCommanded, StatusReceived, TimePassed
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, NodeStatus, TaskStatus


def told(core: Driver) -> list[tuple[str, NodeCommand]]:
    """(module, node command) of everything sent."""
    return [(c.target, c.cmd_node) for c in core.find(SendControl) if c.cmd_node]


def command(core: Driver, name: str, what: NodeCommand, timeout: float = 5.0) -> Reply | None:
    """Command a node; the answer, if it came at once."""
    commands = core.give(NodeCommanded(99, name, what, timeout))
    return next((c for c in commands if isinstance(c, Reply)), None)


def test_bring_up_follows_the_pipeline() -> None:
    core = Driver()
    for name in reversed(core.names):
        core.status(name, NodeStatus.INACTIVE)
    core.give(TimePassed(), 0.1)
    assert told(core) == [(name, NodeCommand.START) for name in core.names[:3]]


def test_a_subset_comes_up_after_a_short_wait() -> None:
    core = Driver()
    core.status("carbon_tracker", NodeStatus.INACTIVE)
    core.give(TimePassed(), 1.9)
    assert not told(core)
    core.status("carbon_tracker", NodeStatus.INACTIVE)
    core.give(TimePassed(), 0.2)
    assert told(core) == [("carbon_tracker", NodeCommand.START)]


def test_start_is_repeated_with_a_new_id_until_obeyed() -> None:
    core = Driver()
    core.status("hw_constraints", NodeStatus.INACTIVE)
    while core.now < 102.6:
        core.give(TimePassed(), 0.05)
    sent = core.find(SendControl)
    assert [c.command_id for c in sent] == [1, 2, 3, 4, 5][: len(sent)] and len(sent) >= 4
    core.status("hw_constraints", NodeStatus.INITIALIZING, last_command=4)
    core.forget()
    core.beat(60.0)
    assert not told(core)


def test_a_node_that_is_inactive_again_while_it_starts_is_told_again() -> None:
    """Its process was replaced, and it says no incarnation by which that would be seen."""
    core = Driver()
    core.incarnations["hw_constraints"] = 0
    core.status("hw_constraints", NodeStatus.INACTIVE)
    core.beat(1.0)
    core.status("hw_constraints", NodeStatus.INITIALIZING)
    core.forget()
    core.status("hw_constraints", NodeStatus.INACTIVE)
    core.beat(1.0)
    assert ("hw_constraints", NodeCommand.START) in told(core)


def test_a_node_that_lives_but_never_obeys_is_terminated() -> None:
    """So that its supervisor starts another process."""
    core = Driver()
    core.status("hw_constraints", NodeStatus.INACTIVE)
    core.core.lifecycle.by_name["hw_constraints"].outbox.adapter = ECHO_ADAPTER
    sent: list[NodeCommand] = []
    while NodeCommand.TERMINATE not in sent:
        assert core.now < 130
        core.status("hw_constraints", NodeStatus.INACTIVE)
        core.give(TimePassed(), 0.5)
        sent = [what for _, what in told(core)]
    assert core.now > 115 and set(sent[:-1]) == {NodeCommand.START}


def test_without_autostart_nothing_is_sent() -> None:
    core = Driver(autostart=False)
    core.status("hw_constraints", NodeStatus.INACTIVE)
    core.beat(5.0)
    assert not told(core)


def test_a_silent_node_is_lost_and_comes_back(core: Driver) -> None:
    node = core.core.lifecycle.by_name["hw_resources"]
    core.status("hw_resources", NodeStatus.IDLE)
    core.beat(3.6, silent=("hw_resources",))
    assert node.status is NodeStatus.INACTIVE and not node.responsive
    assert node.error(core.now)[1].startswith("no heartbeat for 3.")
    core.status("hw_resources", NodeStatus.IDLE)
    assert node.active and not told(core)


def test_a_respawned_node_is_started(core: Driver) -> None:
    core.incarnations["hw_resources"] = 2
    core.status("hw_resources", NodeStatus.INACTIVE)
    core.give(TimePassed(), 0.1)
    assert told(core) == [("hw_resources", NodeCommand.START)]
    assert len(core.core.lifecycle.by_name["hw_resources"].instances) == 1


def test_errors_are_reset_with_growing_pauses_then_given_up(core: Driver) -> None:
    node = core.core.lifecycle.by_name["hw_resources"]
    times = []
    for _ in range(4):
        core.status("hw_resources", NodeStatus.ERROR, error_code=1, error_description="no disk")
        begun = core.now
        core.forget()
        while core.now < begun + 10 and not told(core):
            core.beat(0.1)
        if not told(core):
            break
        times.append(round(core.now - begun))
        last = core.core.lifecycle.command_ids.last
        core.status("hw_resources", NodeStatus.INITIALIZING, last_command=last)
    assert times == [1, 2, 4] and node.recovery.given_up
    assert "no disk" in node.describe(core.now)
    assert command(core, "hw_resources", NodeCommand.RESET) is None
    assert not node.recovery.given_up and node.recovery.resets == 0


def test_a_node_that_stays_in_error_is_reset_no_faster_or_more_often(core: Driver) -> None:
    """It obeys and fails at once: nobody sees it initialise."""
    times = []
    for _ in range(200):
        last = core.core.lifecycle.command_ids.last
        core.status("hw_resources", NodeStatus.ERROR, error_code=1, last_command=last)
        core.forget()
        core.give(TimePassed(), 0.1)
        times += [core.now for name, what in told(core) if name == "hw_resources"]
    pauses = [b - a for a, b in pairwise(times)]
    assert [round(pause) for pause in pauses] == [2, 4]
    assert core.core.lifecycle.by_name["hw_resources"].recovery.given_up


def test_a_task_command_not_confirmed_climbs_the_ladder(core: Driver) -> None:
    task = core.submit()
    node = core.core.lifecycle.by_name["hw_constraints"]
    node.outbox.deliver(task, 1)
    core.forget()
    for _ in range(14):
        core.status("hw_constraints", NodeStatus.IDLE, last_command=3)
        core.give(TimePassed(), 1.0)
    sent = [what for name, what in told(core) if name == "hw_constraints"]
    assert NodeCommand.RESET in sent
    assert sent.index(NodeCommand.RESET) < sent.index(NodeCommand.TERMINATE)


@pytest.mark.parametrize(
    ("what", "status"),
    [
        (NodeCommand.STOP, NodeStatus.INACTIVE),
        (NodeCommand.RESET, NodeStatus.IDLE),
        (NodeCommand.TERMINATE, NodeStatus.TERMINATING),
    ],
)
def test_commands_are_answered_when_confirmed(
    core: Driver, what: NodeCommand, status: NodeStatus
) -> None:
    assert command(core, "hw_resources", what) is None
    sent = core.find(SendControl)[-1]
    commands = core.status("hw_resources", status, last_command=sent.command_id)
    (reply,) = (c for c in commands if isinstance(c, Reply))
    assert reply.error is None and reply.value == ["hw_resources"]


def test_reset_is_not_confirmed_by_the_state_from_before(core: Driver) -> None:
    assert command(core, "hw_resources", NodeCommand.RESET) is None
    commands = core.status("hw_resources", NodeStatus.IDLE, last_command=1)
    assert not any(isinstance(c, Reply) for c in commands)


def test_commands_that_change_nothing_or_cannot_be(core: Driver) -> None:
    assert command(core, "hw_resources", NodeCommand.START).error is None
    core.status("hw_resources", NodeStatus.INACTIVE)
    rejected = command(core, "hw_resources", NodeCommand.RESET)
    assert rejected.error.code is ErrorCode.REJECTED
    assert command(core, "nobody", NodeCommand.START).error.code is ErrorCode.NOT_FOUND


def test_a_node_never_seen_is_unavailable() -> None:
    core = Driver()
    reply = command(core, "hw_resources", NodeCommand.START)
    assert reply.error.code is ErrorCode.NODE_UNAVAILABLE
    assert "never been seen" in reply.error.message


def test_a_command_not_confirmed_in_time(core: Driver) -> None:
    assert command(core, "hw_resources", NodeCommand.STOP, 1.0) is None
    core.beat(1.2)
    (reply,) = core.find(Reply)
    assert reply.error.code is ErrorCode.TIMEOUT and "hw_resources" in reply.error.message


def test_all_are_stopped_in_reverse_and_wait(core: Driver) -> None:
    command(core, "", NodeCommand.STOP, 30.0)
    order = []
    for _ in core.names:
        sent = core.find(SendControl)[-1]
        order.append(sent.target)
        core.status(sent.target, NodeStatus.INACTIVE, last_command=sent.command_id)
    assert order == core.names[::-1]
    assert core.find(Reply)[-1].error is None
    core.beat(5.0)
    assert not core.core.lifecycle.ready


def test_a_spoofed_command_id_does_not_jam_the_counter(core: Driver) -> None:
    core.status("hw_resources", NodeStatus.IDLE, last_command=2**32 - 1)
    core.core.lifecycle.command_ids.next()
    assert core.core.lifecycle.command_ids.last < 2**32
    assert command(core, "hw_constraints", NodeCommand.STOP) is None
    sent = core.find(SendControl)[-1]
    commands = core.status("hw_constraints", NodeStatus.INACTIVE, last_command=sent.command_id)
    assert any(isinstance(c, Reply) for c in commands)


def test_instances_are_bounded(core: Driver) -> None:
    for incarnation in range(100):
        core.incarnations["hw_resources"] = incarnation + 10
        core.status("hw_resources", NodeStatus.IDLE)
    assert len(core.core.lifecycle.by_name["hw_resources"].instances) <= 16


def test_late_word_of_a_dead_process_is_ignored(core: Driver) -> None:
    node = core.core.lifecycle.by_name["hw_resources"]
    core.incarnations["hw_resources"] = 2
    core.status("hw_resources", NodeStatus.INACTIVE)
    core.incarnations["hw_resources"] = 1
    core.status("hw_resources", NodeStatus.RUNNING)
    assert node.status is NodeStatus.INACTIVE
    assert [i.incarnation for i in node.instances.values()] == [2]


def test_two_processes_of_one_name_do_not_displace_each_other(core: Driver) -> None:
    """Someone started the node twice: each heartbeat must not look like a respawn."""
    task = core.submit()
    for second in range(20):
        core.incarnations["hw_constraints"] = 1 + second % 2
        core.report("hw_constraints", task, TaskStatus.RUNNING)
        core.beat(0.6)
    node = core.core.lifecycle.by_name["hw_constraints"]
    assert len(node.instances) == 2 and all(i.responsive for i in node.instances.values())
    assert task.steps[node.spec.index].try_number <= 2


def test_a_quick_respawn_does_not_fail_what_waited_long(core: Driver) -> None:
    task = core.submit()
    for name in core.names[:2]:
        core.output(name, task)
    core.report("hw_constraints", task, TaskStatus.WAITING)
    core.beat(100.0)
    core.incarnations["hw_constraints"] = 2
    core.status("hw_constraints", NodeStatus.INACTIVE)
    core.beat(5.0)
    assert task.status is TaskStatus.RUNNING


def test_stop_is_repeated_to_a_node_that_initialises(core: Driver) -> None:
    core.status("hw_resources", NodeStatus.INITIALIZING)
    assert command(core, "hw_resources", NodeCommand.STOP) is None
    core.forget()
    core.beat(2.0)
    assert told(core).count(("hw_resources", NodeCommand.STOP)) >= 3


def test_a_start_that_fails_at_once_is_answered_at_once() -> None:
    core = Driver(autostart=False)
    core.status("hw_resources", NodeStatus.INACTIVE)
    assert command(core, "hw_resources", NodeCommand.START, 60.0) is None
    sent = core.find(SendControl)[-1].command_id
    core.status(
        "hw_resources", NodeStatus.ERROR, last_command=sent, error_code=1, error_description="no"
    )
    core.give(TimePassed())
    (reply,) = core.find(Reply)
    assert reply.error.code is ErrorCode.NODE_UNAVAILABLE and "(no)" in reply.error.message


@pytest.mark.parametrize("what", [NodeCommand.STOP, NodeCommand.TERMINATE])
def test_a_process_that_ends_has_stopped(core: Driver, what: NodeCommand) -> None:
    assert command(core, "hw_resources", what, 30.0) is None
    core.beat(4.0, silent=("hw_resources",))
    (reply,) = core.find(Reply)
    assert reply.error is None


def test_a_reset_of_a_process_that_ends_has_failed(core: Driver) -> None:
    assert command(core, "hw_resources", NodeCommand.RESET, 30.0) is None
    core.beat(4.0, silent=("hw_resources",))
    (reply,) = core.find(Reply)
    assert reply.error.code is ErrorCode.NODE_UNAVAILABLE


def test_the_ladder_spares_a_node_that_was_stopped(core: Driver) -> None:
    node = core.core.lifecycle.by_name["hw_resources"]
    node.desired_active = False
    core.status("hw_resources", NodeStatus.INACTIVE)
    core.forget()
    core.core.lifecycle.climb(node, "is silent")
    assert not told(core) and node.recovery.level == 0


def test_a_hung_start_climbs_the_ladder_after_its_own_time() -> None:
    core = Driver(start_timeout=20.0)
    core.status("hw_constraints", NodeStatus.INACTIVE)
    core.beat(1.0)
    core.status("hw_constraints", NodeStatus.INITIALIZING, last_command=1)
    core.forget()
    core.beat(18.0)
    assert not told(core)
    core.beat(30.0)
    assert [what for _, what in told(core)][:1] == [NodeCommand.RESET]


def test_a_node_that_never_echoes_is_confirmed_by_its_state(core: Driver) -> None:
    node = core.core.lifecycle.by_name["hw_resources"]
    node.outbox.adapter = STATE_ADAPTER
    assert command(core, "hw_resources", NodeCommand.RESET) is None
    core.status("hw_resources", NodeStatus.IDLE)  # may have been on its way already
    assert not core.find(Reply)
    core.give(TimePassed(), 0.6)
    core.status("hw_resources", NodeStatus.IDLE)
    assert core.find(Reply)[-1].error is None
    core.forget()
    assert command(core, "hw_resources", NodeCommand.RESET) is None
    core.status("hw_resources", NodeStatus.INITIALIZING)
    core.status("hw_resources", NodeStatus.IDLE)
    assert core.find(Reply)[-1].error is None


def test_the_processes_of_a_spoofer_are_forgotten(core: Driver) -> None:
    for number in range(200):
        core.give(StatusReceived("hw_resources", f"/spoof{number}", 1, 0, NodeStatus.IDLE))
    node = core.core.lifecycle.by_name["hw_resources"]
    assert len(node.instances) <= 16 and len(node.retired) <= 16
