"""Two orchestrators of one namespace that meet later; forged states and outputs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import rclpy
from rclpy.context import Context
from support import network
from support.puppet import LATCHED, Framework
from support.system import wait_for
from sustainml_msgs.msg import NodeStatus, SystemState

from sustainml_orchestrator.contract.exit_codes import PERMANENT, ExitCode

STATE = "orchestrator/system_state"
FORGED = SystemState(session=1, incarnation=1, revision=2**63, version="9", ready=True)


@contextmanager
def forger(namespace: str) -> Iterator[None]:
    """A node that publishes a latched system_state of an orchestrator that there is not."""
    context = Context()
    rclpy.init(context=context, args=[])
    node = rclpy.create_node("orchestrator", namespace=namespace, context=context)
    node.create_publisher(SystemState, STATE, LATCHED).publish(FORGED)
    try:
        yield
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def solve(framework: Framework) -> None:
    task = framework.puppet.start()
    framework.puppet.finish(task)
    framework.puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)


@pytest.fixture(params=[True, False], ids=["copied_journal", "other_journal"])
def copied(request: pytest.FixtureRequest) -> bool:
    return request.param


def test_one_that_starts_while_the_first_is_frozen_leaves(tmp_path: Path, copied: bool) -> None:
    journal, other = tmp_path / "journal.db", tmp_path / "other.db"
    with Framework(tmp_path, "frozen", journal_path=str(journal)) as framework:
        puppet, states = framework.puppet, framework.puppet.heard[STATE]
        solve(framework)
        first = states[-1].incarnation
        os.kill(framework.process.pid, signal.SIGSTOP)
        for file in tmp_path.glob("journal.db*") if copied else ():
            shutil.copy(file, tmp_path / file.name.replace("journal", "other"))
        second = framework.launch(journal_path=str(other))
        try:
            wait_for(lambda: states[-1].incarnation != first and states[-1].ready, 20.0)
            assert (states[-1].session == states[0].session) is copied
            os.kill(framework.process.pid, signal.SIGCONT)
            _, log = second.communicate(timeout=20.0)
        finally:
            os.kill(framework.process.pid, signal.SIGCONT)
            second.kill()
            second.wait()
        assert second.returncode == ExitCode.NAME_TAKEN in PERMANENT, log
        last = log.strip().splitlines()[-1]
        assert f"session {states[0].session}, incarnation {first:#x}" in last
        assert "started earlier" in last and "another namespace" in last
        theirs = [s for s in states if s.incarnation != first]
        assert not theirs[-1].ready and "started earlier" in theirs[-1].reason
        wait_for(lambda: states[-1].incarnation == first and states[-1].ready, 20.0)
        assert framework.process.poll() is None
        solve(framework)
        assert puppet.call("get_node_status").success


def test_a_forged_state_makes_no_orchestrator_leave(tmp_path: Path) -> None:
    """Neither one that starts, nor one that has just started."""
    with forger(f"/forged_{os.getpid()}"), Framework(tmp_path, "forged") as framework:
        states = framework.puppet.heard[STATE]
        ignored = "1 publishers of orchestrator/system_state are not orchestrators"
        wait_for(lambda: ignored in framework.log, 5.0)
        seen = len(states)
        wait_for(lambda: len(states) > seen, 10.0)  # it is published every 5 s
        assert framework.process.poll() is None
        solve(framework)


# Authors of outputs #


@pytest.mark.parametrize("author", ["", "/elsewhere/first", "first"])
def test_an_output_of_an_unknown_author_is_dropped(tmp_path: Path, author: str) -> None:
    with Framework(tmp_path, "authors") as framework:
        puppet = framework.puppet
        task = puppet.start()
        puppet.deliver("first", task, author, model="forged")
        wait_for(lambda: f"header.frame_id '{author}' names no node" in framework.log, 5.0)
        puppet.deliver("first", task, model="genuine")
        puppet.deliver("second", task)
        assert puppet.until_status(task, NodeStatus.TASK_SUCCEEDED).model == "genuine"


@pytest.mark.parametrize("author", ["first", "puppet"])
def test_the_node_or_the_instance_is_the_author(tmp_path: Path, author: str) -> None:
    """The instance as its status names it, or whatever node publishes the topic."""
    with Framework(tmp_path, "authors") as framework:
        puppet = framework.puppet
        task = puppet.start()
        puppet.deliver("first", task, f"{framework.namespace}/{author}", model="genuine")
        puppet.deliver("second", task)
        assert puppet.until_status(task, NodeStatus.TASK_SUCCEEDED).model == "genuine"


# A partition #

HOSTS = ("one", "two")
#: For each of the two, in s.
_PARTED = 8.0


@pytest.mark.timeout(120)
@pytest.mark.skipif(bool(network.missing()), reason=f"no hosts here: {network.missing()}")
def test_two_that_started_apart_meet_after_the_network_has_healed() -> None:
    """On two hosts, whose connection is cut until both have been active for a while."""
    environment = {**os.environ, "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}
    command = [sys.executable, "-m", "sustainml_orchestrator.node.orchestrator_node", "--ros-args"]
    command += ["-r", f"__ns:=/parted_{os.getpid()}"]
    with network.Network(HOSTS, 1) as hosts, ExitStack() as undo:
        hosts.set(cuts=[HOSTS, HOSTS[::-1]])

        def launch(host: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                hosts.command(host, command), env=environment, stderr=subprocess.PIPE, text=True
            )
            undo.callback(process.wait)
            undo.callback(process.kill)
            return process

        both = [launch(host) for host in HOSTS]
        for process in both:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(_PARTED)
        hosts.set()
        wait_for(lambda: any(process.poll() is not None for process in both), 60.0)
        left, stays = sorted(both, key=lambda process: process.poll() is None)
        _, log = left.communicate(timeout=10.0)
        assert left.returncode == ExitCode.NAME_TAKEN, log
        assert "started earlier" in log.strip().splitlines()[-1]
        assert stays.poll() is None
        stays.terminate()
        assert stays.wait(10.0) == ExitCode.OK
