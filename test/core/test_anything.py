"""Whatever happens, in whatever order: the state stays sound, and every request is answered."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.driver import SESSION, Driver

from sustainml_orchestrator.core.commands import Reply
from sustainml_orchestrator.core.errors import IllegalTransition
from sustainml_orchestrator.core.events import (
    DeletionRequested,
    NodeCommanded,
    OutputReceived,
    StatusReceived,
    TaskCommanded,
    TaskSubmitted,
    TimePassed,
    UnreadableOutputReceived,
)
from sustainml_orchestrator.core.ids import (
    NO_TASK,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.core.states import (
    STEP_MOVES,
    TASK_MOVES,
    StepMove,
    StepState,
    TaskMove,
    move,
)

NAMES = [spec.name for spec in Driver().core.pipeline.modules]
ids = st.builds(TaskId, st.integers(0, 3), st.integers(0, 3))
sessions = st.sampled_from([SESSION, SESSION, SESSION, 8])
tokens = st.integers(1, 3)  # the driver counts them
calls = st.just(1)
events = st.one_of(
    st.just(TimePassed()),
    st.builds(
        StatusReceived,
        st.sampled_from([*NAMES, "stranger"]),
        st.sampled_from(["/a", "/b"]),
        st.integers(0, 2),
        st.integers(0, 20) | st.just(2**32 - 1),
        st.sampled_from([*NodeStatus, NodeStatus.IDLE, NodeStatus.RUNNING]),
        ids,
        st.integers(0, 3),
        sessions,
        tokens,
        st.sampled_from(TaskStatus),
        st.integers(0, 3),
        st.integers(0, 255),
    ),
    st.builds(OutputReceived, st.integers(0, 5), ids, st.integers(1, 2), sessions, tokens,
              st.just(b"x")),
    st.builds(UnreadableOutputReceived, st.integers(0, 5), ids, st.integers(1, 2), sessions,
              tokens),
    st.builds(TaskSubmitted, calls, st.just(b"i"), st.just("d"), st.integers(0, 3),
              st.sampled_from(["", "r"]), ids | st.just(NO_TASK)),
    st.builds(TaskCommanded, calls, ids, st.sampled_from(list(TaskCommand)[1:])),
    st.builds(NodeCommanded, calls, st.sampled_from(["", "nobody", *NAMES]),
              st.sampled_from(list(NodeCommand)[1:]), st.just(1.0)),
    st.builds(DeletionRequested, calls, st.integers(0, 3)),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(events, st.sampled_from([0.0, 0.01, 0.6, 4.0, 400.0])), max_size=60))
def test_any_events_in_any_order(history: list[tuple[object, float]]) -> None:
    core = Driver(max_active_tasks=2, max_waiting_tasks=3)
    core.bring_up()
    for event, after in history:
        commands = core.give(event, after)  # type: ignore[arg-type]
        if isinstance(event, (TaskSubmitted, TaskCommanded, DeletionRequested)):
            assert [c.call for c in commands if isinstance(c, Reply)] == [1]
        refusals = [c for c in commands if isinstance(c, Reply) and c.error is not None]
        assert all(c.error.message for c in refusals)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(events, st.sampled_from([0.01, 0.6, 4.0])), max_size=40))
def test_every_node_command_is_answered_in_time(history: list[tuple[object, float]]) -> None:
    core = Driver()
    core.bring_up()
    asked = 0
    for event, after in history:
        core.give(event, after)  # type: ignore[arg-type]
        asked += isinstance(event, NodeCommanded)
    core.beat(3.0)
    answered = [c for c in core.find(Reply) if isinstance(c.value, list) or c.error]
    assert core.core.operations.idle and len(answered) >= asked


@pytest.mark.parametrize(
    ("table", "states", "moves"),
    [(TASK_MOVES, TaskStatus, TaskMove), (STEP_MOVES, StepState, StepMove)],
)
def test_moves_without_a_row_are_illegal(table: dict, states: type, moves: type) -> None:
    for state in states:
        for how in moves:
            if (state, how) in table:
                assert move(table, state, how) is table[state, how]
            else:
                with pytest.raises(IllegalTransition, match="does not permit"):
                    move(table, state, how)


def test_the_core_is_pure() -> None:
    """It imports no ROS, clock, thread, file or log."""
    script = """
import sys
for name in ("rclpy", "sustainml_msgs", "std_msgs", "sqlite3", "threading", "time", "logging",
             "asyncio", "random", "yaml"):
    sys.modules[name] = None
import importlib, pkgutil, sustainml_orchestrator.core as core
for module in pkgutil.iter_modules(core.__path__):
    importlib.import_module(f"{core.__name__}.{module.name}")
"""
    subprocess.run([sys.executable, "-S", "-c", script], check=True, timeout=30)
