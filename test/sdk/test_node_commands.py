"""START, STOP, RESET and TERMINATE of a real module process, in every situation."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.scripted_modules import Isolation, ScriptedOrchestrator, alive, descendants

from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus, TaskStatus

START, STOP = NodeCommand.START, NodeCommand.STOP
RESET, TERMINATE = NodeCommand.RESET, NodeCommand.TERMINATE


def test_a_module_waits_for_start_and_discards_inputs_until_then(
    orchestrator: ScriptedOrchestrator, isolation: Isolation
) -> None:
    orchestrator.launch("Playful", *isolation)
    first = orchestrator.statuses[0]
    assert first.node_status == NodeStatus.INACTIVE
    assert first.instance == f"{orchestrator.namespace}/app_requirements"
    assert first.incarnation
    orchestrator.task((1, 1), "work")
    orchestrator.listen(0.5)
    assert orchestrator.noted() == []
    number = orchestrator.order(node=START)
    assert orchestrator.await_node(NodeStatus.IDLE).last_command == number
    told = [status.node_status for status in orchestrator.statuses]
    assert told.index(NodeStatus.INITIALIZING) < told.index(NodeStatus.IDLE)
    orchestrator.task((2, 1), "work", "x")
    assert orchestrator.output((2, 1)).app_requirements == ["hello", "x", "1"]
    assert orchestrator.of((1, 1)) == []


def test_autostart_needs_no_command(orchestrator: ScriptedOrchestrator) -> None:
    orchestrator.launch("Playful", "-p", "autostart:=true")
    orchestrator.await_node(NodeStatus.IDLE)


def test_a_repeated_start_is_answered_and_changes_nothing(
    orchestrator: ScriptedOrchestrator,
) -> None:
    orchestrator.start("Playful")
    before = len(orchestrator.statuses)
    number = orchestrator.order(node=START)
    orchestrator.until(lambda: orchestrator.statuses[-1].last_command == number, "an answer")
    assert {status.node_status for status in orchestrator.statuses[before:]} == {NodeStatus.IDLE}
    assert orchestrator.noted() == ["on_start"]


def test_stop_gives_back_running_and_waiting_tasks(
    orchestrator: ScriptedOrchestrator, isolation: Isolation
) -> None:
    orchestrator.start("Playful", *isolation)
    orchestrator.task((1, 1), "watch")
    orchestrator.task((2, 1), "work")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    orchestrator.await_task((2, 1), TaskStatus.WAITING)
    orchestrator.await_note("process 1/1")
    orchestrator.order(node=STOP)
    orchestrator.await_task((1, 1), TaskStatus.RETURNED)
    orchestrator.await_task((2, 1), TaskStatus.RETURNED)
    orchestrator.await_node(NodeStatus.INACTIVE)
    orchestrator.until(lambda: "heeded 1/1" in orchestrator.noted(), "cancellation")
    orchestrator.order(node=START)
    orchestrator.await_node(NodeStatus.IDLE)
    orchestrator.task((3, 1), "work")
    orchestrator.output((3, 1))
    assert [note.split()[:2] for note in orchestrator.noted()].count(["process", "2/1"]) == 0


def test_reset_drops_everything_and_starts_afresh(
    orchestrator: ScriptedOrchestrator, isolation: Isolation
) -> None:
    orchestrator.start("Playful", *isolation)
    orchestrator.task((1, 1), "watch")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    orchestrator.order(node=RESET)
    orchestrator.await_node(NodeStatus.INITIALIZING)
    orchestrator.await_node(NodeStatus.IDLE)
    assert orchestrator.noted().count("on_start") == 2
    assert TaskStatus.RETURNED not in orchestrator.course((1, 1))
    orchestrator.task((2, 1), "work")
    orchestrator.output((2, 1))


def test_reset_of_an_inactive_node_changes_nothing(orchestrator: ScriptedOrchestrator) -> None:
    orchestrator.launch("Playful")
    number = orchestrator.order(node=RESET)
    orchestrator.until(lambda: orchestrator.statuses[-1].last_command == number, "an answer")
    assert orchestrator.statuses[-1].node_status == NodeStatus.INACTIVE


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("raise once", "on_start failed: RuntimeError: the model file is missing"),
        ("crash", "on_start failed: the worker process was killed by SIGSEGV"),
    ],
)
def test_a_failing_on_start_is_an_error_that_only_reset_leaves(
    orchestrator: ScriptedOrchestrator, mode: str, reason: str
) -> None:
    process = orchestrator.launch("Playful", ON_START=mode)
    orchestrator.order(node=START)
    assert orchestrator.await_node(NodeStatus.ERROR).error_description == reason
    number = orchestrator.order(node=START)
    orchestrator.until(lambda: orchestrator.statuses[-1].last_command == number, "an answer")
    assert orchestrator.statuses[-1].node_status == NodeStatus.ERROR
    before = len(orchestrator.statuses)
    orchestrator.order(node=RESET)
    if mode == "raise once":
        orchestrator.await_node(NodeStatus.IDLE)
        process.terminate()
        _, log = process.communicate(timeout=20.0)
        assert "module app_requirements waits for START_NODE" in log
        assert "on_start: Traceback" in log
        assert 'raise RuntimeError("the model file is missing")' in log
    else:
        orchestrator.until(
            lambda: (
                NodeStatus.INITIALIZING
                in [status.node_status for status in orchestrator.statuses[before:]]
            ),
            "another attempt",
        )
        orchestrator.await_node(NodeStatus.ERROR)


def test_the_log_shows_no_credentials(orchestrator: ScriptedOrchestrator) -> None:
    reason = "401 of https://me:s3cr3t@host/x"
    process = orchestrator.launch("Playful", ON_START="raise once", REASON=reason)
    orchestrator.order(node=START)
    orchestrator.await_node(NodeStatus.ERROR)
    process.terminate()
    _, log = process.communicate(timeout=20.0)
    assert log.count("401 of https://") >= 2 and "s3cr3t" not in log


def test_commands_are_obeyed_while_on_start_hangs(orchestrator: ScriptedOrchestrator) -> None:
    process = orchestrator.launch("Playful", ON_START="hang once")
    orchestrator.order(node=START)
    orchestrator.await_node(NodeStatus.INITIALIZING)
    orchestrator.until(lambda: "hung once" in orchestrator.noted(), "on_start")
    orchestrator.order(node=RESET)
    orchestrator.await_node(NodeStatus.IDLE)
    orchestrator.order(node=TERMINATE)
    assert process.wait(5) == 0


@pytest.mark.parametrize("what", ["never", "swallow", "hold", "heed"])
def test_every_node_command_is_obeyed_while_user_code_is_busy(
    orchestrator: ScriptedOrchestrator, what: str
) -> None:
    process = orchestrator.start("Playful")
    for number, (command, state) in enumerate(
        [(STOP, NodeStatus.INACTIVE), (START, NodeStatus.IDLE), (RESET, NodeStatus.IDLE)], 1
    ):
        if command is not START:
            orchestrator.task((number, 1), what, "3600")
            orchestrator.await_task((number, 1), TaskStatus.RUNNING)
        orchestrator.order(node=command)
        orchestrator.await_node(state, patience=5.0)
    orchestrator.task((9, 1), what, "3600")
    orchestrator.await_task((9, 1), TaskStatus.RUNNING)
    children = descendants(process.pid)
    assert len(children) == 2
    begun = time.monotonic()
    orchestrator.order(node=TERMINATE)
    orchestrator.await_node(NodeStatus.TERMINATING)
    assert orchestrator.course((9, 1))[-1] == TaskStatus.RETURNED
    assert process.wait(5) == 0
    assert time.monotonic() - begun < 5
    assert not any(map(alive, children))


def test_terminate_ends_a_thread_module_whose_code_never_returns(
    orchestrator: ScriptedOrchestrator,
) -> None:
    process = orchestrator.start("Playful", "-p", "isolation:=thread")
    orchestrator.task((1, 1), "never")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    orchestrator.order(node=TERMINATE)
    assert process.wait(5) == 0


def test_threads_never_run_more_calls_than_workers(orchestrator: ScriptedOrchestrator) -> None:
    orchestrator.start("Playful", "-p", "isolation:=thread", "-p", "heartbeat_period:=0.1")
    orchestrator.task((1, 1), "never")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    orchestrator.order(node=RESET)
    orchestrator.await_node(NodeStatus.IDLE)
    orchestrator.task((2, 1), "work")
    orchestrator.await_task((2, 1), TaskStatus.WAITING)
    orchestrator.until(
        lambda: "1 abandoned call" in orchestrator.statuses[-1].error_description, "the truth"
    )
    assert len([note for note in orchestrator.noted() if note.startswith("process")]) == 1


def test_commands_to_others_are_left_to_others(orchestrator: ScriptedOrchestrator) -> None:
    orchestrator.launch("Playful", "-r", "__node:=mine")
    incarnation, last = (
        orchestrator.statuses[-1].incarnation,
        orchestrator.statuses[-1].last_command,
    )
    instance = f"{orchestrator.namespace}/mine"
    assert orchestrator.statuses[-1].instance == instance
    orchestrator.order(node=START, target_node="hw_resources")
    orchestrator.order(node=START, target_node=f"{orchestrator.namespace}/app_requirements")
    orchestrator.order(node=START, target_node=instance, incarnation=incarnation ^ 1)
    orchestrator.listen(0.5)
    assert orchestrator.statuses[-1].node_status == NodeStatus.INACTIVE
    assert orchestrator.statuses[-1].last_command == last
    orchestrator.order(node=START, target_node=instance, incarnation=incarnation)
    orchestrator.await_node(NodeStatus.IDLE)
    orchestrator.order(node=STOP, target_node="app_requirements")
    orchestrator.await_node(NodeStatus.INACTIVE)


def test_nonsense_is_ignored(orchestrator: ScriptedOrchestrator, isolation: Isolation) -> None:
    orchestrator.start("Playful", *isolation)
    orchestrator.order(node=200)
    orchestrator.order(task=99, task_id=(1, 1))
    orchestrator.order(node=STOP, task=1, task_id=(1, 1))
    orchestrator.order()
    orchestrator.send("user_input", (0, 0))
    orchestrator.send("user_input", (1, 1), attempt=0)
    orchestrator.order(node=START, command_id=2**32 - 1)
    orchestrator.until(
        lambda: orchestrator.statuses[-1].last_command == 2**32 - 1, "the last command"
    )
    orchestrator.task((5, 1), "work")
    orchestrator.output((5, 1))
    assert orchestrator.statuses[-1].last_command == 2**32 - 1


def test_a_new_listener_hears_of_a_module_before_its_next_heartbeat(
    orchestrator: ScriptedOrchestrator, tmp_path: Path
) -> None:
    orchestrator.launch("Playful", "-p", "heartbeat_period:=3600.0")
    newcomer = ScriptedOrchestrator(orchestrator.namespace, tmp_path)
    try:
        newcomer.until(lambda: newcomer.statuses, "a word of the module")
        assert newcomer.statuses[0].node_status == NodeStatus.INACTIVE
    finally:
        newcomer.close()
