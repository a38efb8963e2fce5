"""No process that user code started outlives its worker or its node, however that ends."""

from __future__ import annotations

import os
import signal

import pytest
from support.authors import SPAWNED
from support.scripted_modules import Isolation, ScriptedOrchestrator, alive, descendants

from sustainml_orchestrator.core.ids import NodeCommand, TaskCommand, TaskStatus


def spawned(orchestrator: ScriptedOrchestrator) -> list[int]:
    """Have user code start processes; their ids, once all are there."""
    orchestrator.task((1, 1), "spawn")

    def pids() -> list[int]:
        found = [int(note.split()[1]) for note in orchestrator.noted() if note.startswith("pid ")]
        return found if len(found) == SPAWNED else []

    found = orchestrator.until(pids, "all processes of user code")
    assert all(map(alive, found))
    return found


def test_none_outlives_a_node_that_is_killed(
    orchestrator: ScriptedOrchestrator, isolation: Isolation
) -> None:
    process = orchestrator.start("Playful", *isolation)
    pids = [*spawned(orchestrator), *descendants(process.pid)]
    process.kill()
    orchestrator.until(lambda: not any(map(alive, pids)), "their end", 1.0)


def test_none_outlives_a_fork_server_that_is_killed_with_its_node(
    orchestrator: ScriptedOrchestrator,
) -> None:
    """What the kernel does by itself: workers die with the fork server."""
    process = orchestrator.start("Playful")
    children = descendants(process.pid)
    for pid in (children[0], process.pid):
        os.kill(pid, signal.SIGKILL)
    orchestrator.until(lambda: not any(map(alive, children)), "their end", 1.0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_none_outlives_a_node_that_is_told_to_end(
    orchestrator: ScriptedOrchestrator, isolation: Isolation, number: signal.Signals
) -> None:
    process = orchestrator.start("Playful", *isolation)
    pids = spawned(orchestrator)
    process.send_signal(number)
    assert process.wait(3.0) == 0
    orchestrator.until(lambda: not any(map(alive, pids)), "their end", 1.0)


def test_none_outlives_a_cancelled_call(orchestrator: ScriptedOrchestrator) -> None:
    process = orchestrator.start("Playful", "-p", "cancel_grace:=0.1", "-p", "workers:=2")
    pids = spawned(orchestrator)
    other = descendants(process.pid)
    orchestrator.order(task=TaskCommand.STOP, task_id=(1, 1))
    orchestrator.until(lambda: not any(map(alive, pids)), "their end", 3.0)
    assert sum(map(alive, other)) >= 2, "the fork server and the other worker live on"


def test_none_outlives_a_worker_that_dies(orchestrator: ScriptedOrchestrator) -> None:
    orchestrator.start("Playful")
    orchestrator.task((1, 1), "spawn", "crash")
    orchestrator.await_task((1, 1), TaskStatus.ERROR)
    pids = [int(note.split()[1]) for note in orchestrator.noted() if note.startswith("pid ")]
    assert len(pids) == SPAWNED
    orchestrator.until(lambda: not any(map(alive, pids)), "their end", 1.0)


def test_none_outlives_a_reset(orchestrator: ScriptedOrchestrator) -> None:
    orchestrator.start("Playful", "-p", "cancel_grace:=0.1")
    pids = spawned(orchestrator)
    orchestrator.order(node=NodeCommand.RESET)
    orchestrator.until(lambda: not any(map(alive, pids)), "their end", 3.0)


def test_an_ignored_signal_stays_ignored(orchestrator: ScriptedOrchestrator) -> None:
    """As after `nohup`, and in the background jobs of a shell without job control."""
    previous = {each: signal.getsignal(each) for each in (signal.SIGHUP, signal.SIGINT)}
    for each in previous:
        signal.signal(each, signal.SIG_IGN)
    try:
        process = orchestrator.start("Playful")
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
    for each in previous:
        process.send_signal(each)
    orchestrator.task((1, 1), "work")
    orchestrator.output((1, 1))
    process.terminate()
    assert process.wait(5.0) == 0
