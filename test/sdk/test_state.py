"""The state machine of the module side: pure, row by row and at random."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sustainml_orchestrator.core.ids import (
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.sdk import actions as act
from sustainml_orchestrator.sdk.job_table import Limits
from sustainml_orchestrator.sdk.state_machine import StateMachine
from sustainml_orchestrator.sdk.transitions import TRANSITIONS, Mode, Trigger
from sustainml_orchestrator.sdk.wire_ids import Ticket

SESSION = 9
START, STOP = NodeCommand.START, NodeCommand.STOP


def ticket(problem: int, attempt: int = 1, session: int = SESSION, token: int = 0) -> Ticket:
    return Ticket(TaskId(problem, 1), attempt, session, token or 700 + attempt)


class Rig:
    """A state machine, and short words for what happens to it."""

    def __init__(self, **limits: int) -> None:
        self.state = StateMachine(
            module="m",
            instance="/ns/m",
            incarnation=5,
            needed=lambda iteration: frozenset("a"),
            limits=Limits(**limits),
        )
        self.numbers = itertools.count(1)

    def order(self, command: NodeCommand | TaskCommand, of: Ticket | None = None, **fields):
        kind = "node" if isinstance(command, NodeCommand) else "task"
        fields = {"target": "", "command_id": next(self.numbers), "incarnation": 0, **fields}
        of = of or Ticket(TaskId(0, 0), 0, SESSION, 0)
        return self.state.command_received(act.Command(ticket=of, **{kind: command}, **fields))

    def activate(self) -> Rig:
        self.order(START)
        self.state.prepared(self.state.generation)
        return self

    def input(self, of: Ticket):
        return self.state.input_received("a", of, b"data")


def only(actions: list[act.Action], kind: type):
    (action,) = [action for action in actions if isinstance(action, kind)]
    return action


def test_every_transition_leads_on() -> None:
    reached = {Mode.INACTIVE} | set(TRANSITIONS.values())
    assert reached == set(Mode)
    for mode in set(Mode) - {Mode.TERMINATING}:
        assert (mode, Trigger.TERMINATE) in TRANSITIONS
    assert not [mode for mode, _ in TRANSITIONS if mode is Mode.TERMINATING]


def test_work_that_starts_at_once_takes_two_statuses() -> None:
    rig = Rig().activate()
    report, run = rig.input(ticket(1))
    assert (report.task_status, report.node_status) == (TaskStatus.RUNNING, NodeStatus.RUNNING)
    output, report = rig.state.call_ended(run.job, act.Succeeded(b"out"))
    assert output == act.PublishOutput(b"out")
    assert (report.task_status, report.node_status) == (TaskStatus.SUCCEEDED, NodeStatus.IDLE)
    assert rig.state.slot_freed(run.job) == []


def test_a_repeated_command_id_is_answered_and_not_obeyed_again() -> None:
    rig = Rig().activate()
    number = next(rig.numbers)
    rig.order(NodeCommand.RESET, command_id=number)
    rig.state.prepared(rig.state.generation)
    (answer,) = rig.order(NodeCommand.RESET, command_id=number)
    assert answer.node_status == NodeStatus.IDLE
    rig.order(STOP, command_id=1000)
    assert rig.state.node_status == NodeStatus.INACTIVE
    rig.order(START, command_id=999)  # late, but not seen before
    assert (rig.state.node_status, rig.state.last_command) == (NodeStatus.INITIALIZING, 1000)


def test_command_ids_begin_anew_after_the_greatest() -> None:
    rig = Rig()
    rig.order(START, command_id=2**32 - 1)
    rig.order(START, command_id=1)
    assert rig.state.last_command == 1


def test_what_old_workers_say_is_ignored() -> None:
    rig = Rig()
    rig.order(START)
    old = rig.state.generation
    rig.order(NodeCommand.RESET)
    assert rig.state.prepared(old) == []
    assert rig.state.broken(old, "no model") == []
    assert rig.state.mode is Mode.RESETTING


def test_broken_workers_give_their_tasks_back() -> None:
    rig = Rig().activate()
    rig.input(ticket(1))
    actions = rig.state.broken(rig.state.generation, "no model")
    returned, node = [action for action in actions if isinstance(action, act.Report)]
    assert (returned.task_status, returned.text) == (TaskStatus.RETURNED, "no model")
    assert node.ticket is None and returned.node_status == NodeStatus.ERROR
    assert (node.error_code, node.text) == (ErrorCode.INTERNAL_ERROR, "no model")


def test_an_output_that_left_the_cache_is_made_again() -> None:
    rig = Rig(output_cache=3).activate()
    job = only(rig.input(ticket(1)), act.Run).job
    rig.state.call_ended(job, act.Succeeded(b"too long"))
    rig.state.slot_freed(job)
    assert only(rig.order(TaskCommand.RESET, ticket(1), try_number=1), act.FetchInputs)


def test_a_module_without_room_gives_tasks_back() -> None:
    rig = Rig(max_held_tasks=2).activate()
    rig.input(ticket(1))
    rig.input(ticket(2))
    (report,) = rig.input(ticket(3))
    assert (report.task_status, report.error_code) == (
        TaskStatus.RETURNED,
        ErrorCode.RESOURCE_EXHAUSTED,
    )


def test_a_stale_command_leaves_a_newer_attempt_alone() -> None:
    rig = Rig().activate()
    rig.input(ticket(1, attempt=2))
    (answer,) = rig.order(TaskCommand.STOP, ticket(1, attempt=1))
    assert (answer.task_status, answer.ticket.attempt) == (TaskStatus.STOPPED, 1)
    (answer,) = rig.order(TaskCommand.RESET, ticket(1, attempt=1), try_number=9)
    assert (answer.task_status, answer.ticket.attempt) == (TaskStatus.RUNNING, 2)


def test_work_with_another_token_takes_the_place_of_what_is_held() -> None:
    rig = Rig().activate()
    held = only(rig.input(ticket(1, token=5)), act.Run).job
    actions = rig.input(ticket(1, token=6))
    assert only(actions, act.Cancel).job is held
    rig.state.slot_freed(held)
    (answer,) = rig.order(TaskCommand.RESET, ticket(1, token=6))
    assert (answer.task_status, answer.ticket.token) == (TaskStatus.RUNNING, 6)
    actions = rig.order(TaskCommand.RESET, ticket(1, token=7))
    assert only(actions, act.Cancel) and only(actions, act.FetchInputs).job.ticket.token == 7


def test_an_output_is_repeated_for_its_own_token_alone() -> None:
    rig = Rig().activate()
    job = only(rig.input(ticket(1, token=5)), act.Run).job
    rig.state.call_ended(job, act.Succeeded(b"of an earlier life"))
    rig.state.slot_freed(job)
    assert only(rig.order(TaskCommand.RESET, ticket(1, token=5)), act.PublishOutput)
    actions = rig.order(TaskCommand.RESET, ticket(1, token=6))
    assert not [action for action in actions if isinstance(action, act.PublishOutput)]
    assert only(actions, act.FetchInputs).job.ticket == ticket(1, token=6)
    rig.order(TaskCommand.STOP, ticket(1, token=6))
    actions = rig.order(TaskCommand.RESET, ticket(1, token=5))
    assert only(actions, act.FetchInputs).job.ticket == ticket(1, token=5)


def test_a_command_to_stop_another_token_leaves_the_one_held_alone() -> None:
    rig = Rig().activate()
    job = only(rig.input(ticket(1, token=6)), act.Run).job
    (answer,) = rig.order(TaskCommand.STOP, ticket(1, token=5))
    assert (answer.task_status, answer.ticket.token) == (TaskStatus.STOPPED, 5)
    assert job in rig.state.jobs


@pytest.mark.parametrize("command", [TaskCommand.STOP, TaskCommand.PREEMPT])
def test_only_a_preempted_task_may_come_back_by_live_inputs(command: TaskCommand) -> None:
    rig = Rig().activate()
    rig.order(command, ticket(1))
    assert bool(rig.input(ticket(1))) == (command is TaskCommand.PREEMPT)


def test_a_retired_session_is_deaf_until_it_commands_again() -> None:
    rig = Rig().activate()
    rig.order(START, Ticket(TaskId(0, 0), 0, 10, 0))
    assert rig.input(ticket(1)) == [] and rig.state.discarded == 1
    rig.order(START)
    assert rig.input(ticket(1))


class Anything(RuleBasedStateMachine):
    """Whatever comes in whatever order: the laws of the module side hold."""

    @initialize(workers=st.integers(1, 3))
    def begin(self, workers):
        self.rig = Rig(workers=workers, max_held_tasks=4, output_cache=20)
        self.workers = workers
        self.alive: list[act.Job] = []
        self.ended: set[int] = set()
        self.fetching: list[act.Job] = []
        self.told = NodeStatus.INACTIVE
        self.begun: dict[Ticket, int] = {}

    def carry_out(self, actions: list[act.Action]) -> None:
        published = False
        for action in actions:
            match action:
                case act.Report(node_status, of, task_status):
                    self.told = node_status
                    assert not (task_status == TaskStatus.SUCCEEDED and of) or published
                case act.PublishOutput():
                    published = True
                case act.Run(job):
                    assert job.inputs is not None
                    self.alive.append(job)
                case act.FetchInputs(job):
                    self.fetching.append(job)
                case act.Cancel(job):
                    assert job in self.alive and job.number not in self.ended

    @rule(
        command=st.sampled_from([one for one in NodeCommand if one]),
        addressee=st.sampled_from(["", "m", "/ns/m", "other"]),
        session=st.sampled_from([SESSION, SESSION, SESSION, 10]),
    )
    def node_command(self, command, addressee, session):
        if command is not NodeCommand.TERMINATE or addressee == "other":
            no_task = Ticket(TaskId(0, 0), 0, session, 0)
            self.carry_out(self.rig.order(command, no_task, target=addressee))

    @rule(
        command=st.sampled_from([one for one in TaskCommand if one]),
        problem=st.integers(1, 6),
        attempt=st.integers(1, 3),
        try_number=st.integers(0, 3),
    )
    def task_command(self, command, problem, attempt, try_number):
        of = ticket(problem, attempt)
        actions = self.rig.order(command, of, try_number=try_number)
        self.carry_out(actions)
        reports = [action for action in actions if isinstance(action, act.Report)]
        assert reports, "every command is answered"
        if command is not TaskCommand.RESET:
            assert reports[0].ticket == of

    @rule(problem=st.integers(1, 6), attempt=st.integers(1, 3))
    def live_input(self, problem, attempt):
        self.carry_out(self.rig.input(ticket(problem, attempt)))

    @rule(good=st.booleans())
    def initialized(self, good):
        state = self.rig.state
        if state.node_status == NodeStatus.INITIALIZING:
            generation = state.generation
            actions = state.prepared(generation) if good else state.broken(generation, "no")
            self.carry_out(actions)

    @precondition(lambda self: self.fetching)
    @rule(index=st.integers(0, 9), good=st.booleans())
    def fetched(self, index, good):
        job = self.fetching.pop(index % len(self.fetching))
        state = self.rig.state
        if good:
            self.carry_out(state.inputs_fetched(job, job.try_number, {"a": b"fetched"}))
        else:
            self.carry_out(state.fetch_failed(job, TaskStatus.STOPPED, ErrorCode.REJECTED, ""))

    @precondition(lambda self: self.alive)
    @rule(index=st.integers(0, 9), good=st.booleans())
    def call_ended(self, index, good):
        job = self.alive[index % len(self.alive)]
        if job.number in self.ended:
            self.alive.remove(job)
            self.carry_out(self.rig.state.slot_freed(job))
            return
        self.ended.add(job.number)
        failed = act.Failed(ErrorCode.INTERNAL_ERROR, "no")
        outcome = act.Succeeded(b"output") if good else failed
        self.carry_out(self.rig.state.call_ended(job, outcome))

    @invariant()
    def laws_hold(self):
        if not hasattr(self, "rig"):
            return
        state = self.rig.state
        assert len(self.alive) <= self.workers
        assert self.told == state.node_status, "no change without a word"
        if state.mode is not Mode.ACTIVE:
            assert not state.holds_tasks


TestAnything = Anything.TestCase
