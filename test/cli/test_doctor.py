"""What `sustainml doctor` says of each state of a node."""

from __future__ import annotations

import io
import os

import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rich.console import Console
from sustainml_msgs.msg import InstanceState, ModuleProgress, NodeState, TaskId, TaskSummary

from sustainml_orchestrator.cli.examination.elsewhere import silent
from sustainml_orchestrator.cli.examination.environment import environment
from sustainml_orchestrator.cli.examination.finding import start_command
from sustainml_orchestrator.cli.examination.system import diagnosed, instance_findings, node_finding
from sustainml_orchestrator.cli.examination.work import idle, queue, slow_steps
from sustainml_orchestrator.cli.tables import node_table
from sustainml_orchestrator.contract.claim import Claim
from sustainml_orchestrator.core.ids import NodeStatus, TaskStatus


@pytest.mark.parametrize(
    ("status", "responsive", "level", "remedy"),
    [
        (NodeStatus.IDLE, True, "ok", ""),
        (NodeStatus.RUNNING, True, "ok", ""),
        (NodeStatus.INACTIVE, True, "error", "sustainml node start m"),
        (NodeStatus.ERROR, True, "error",
         "sustainml node reset m; its log says more: sustainml logs m"),
        (NodeStatus.INITIALIZING, True, "warning", "wait until it has finished; run doctor again"),
        (NodeStatus.TERMINATING, True, "warning", "wait until it has finished; run doctor again"),
        (NodeStatus.INACTIVE, False, "error",
         f"start its process: {start_command('m')}"),
    ],
)  # fmt: skip
def test_each_state_has_a_remedy(
    status: NodeStatus, responsive: bool, level: str, remedy: str
) -> None:
    node = NodeState(
        node_name="m", node_status=int(status), responsive=responsive, restarts=2,
        error_description="no heartbeat", instances=[InstanceState(instance="/x/m")],
    )  # fmt: skip
    found = node_finding(node)
    assert (found.level, found.remedy) == (level, remedy)
    assert f"m is {status.name}, restarted 2 times" in found.finding
    assert ("no heartbeat" in found.finding) is (level != "ok")


def test_one_instance_in_error_beside_another() -> None:
    good = InstanceState(instance="/x/m", responsive=True, node_status=int(NodeStatus.IDLE))
    bad = InstanceState(instance="/x/m_2", responsive=True, node_status=int(NodeStatus.ERROR))
    node = NodeState(node_name="m", node_status=int(NodeStatus.IDLE), responsive=True)
    node.instances = [good, bad]
    (error,) = (found for found in instance_findings(node) if found.level == "error")
    assert error.finding == "instance m_2 of m is in ERROR; the other instances do its work"
    assert "sustainml logs m_2" in error.remedy
    shown = io.StringIO()
    Console(file=shown, width=200).print(node_table([node]))
    assert "m_2: ERROR" in shown.getvalue() and "m: ERROR" not in shown.getvalue()
    node.instances = [bad, bad]  # nobody does its work
    assert {found.finding for found in instance_findings(node) if found.level == "error"} == {
        "instance m_2 of m is in ERROR"
    }
    node.instances = [good, good]
    assert {found.level for found in instance_findings(node)} == {"ok"}


def test_problems_in_the_diagnostics() -> None:
    def status(level: bytes, message: str, **values: str) -> DiagnosticStatus:
        pairs = [KeyValue(key=key.replace("_", " "), value=value) for key, value in values.items()]
        return DiagnosticStatus(level=level, message=message, values=pairs)

    ok, warn, error = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
    parts = {
        "journal": status(error, "journal x cannot be written; make room"),
        "dropped messages": status(warn, "12 messages were dropped in the last minute"),
        "queues": status(error, "full: 64 calls are pending; new ones are refused"),
        "tasks": status(warn, "late", near_its_deadline_1="3/1: m works for 50 s of at most 1 min"),
    }
    found = list(diagnosed(parts))
    assert [f.level for f in found] == ["error", "warning", "error", "warning"]
    assert found[0].remedy == "make room" and "max_pending_calls" not in found[2].remedy
    assert "3/1: m works for 50 s" in found[3].finding and all(f.remedy for f in found)
    assert "sustainml logs m;" in found[3].remedy
    parts = {"queues": status(warn, "nearly full: 900 tasks wait of at most 1000"),
             "journal": status(ok, "is written")}  # fmt: skip
    assert list(diagnosed(parts)) == list(diagnosed({})) == []


def test_a_wrong_domain_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "two")
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF")
    levels = {found.finding: found.remedy for found in environment()}
    assert levels["ROS_DOMAIN_ID is 'two'"] == "set it to a number from 0 to 232"
    assert levels["discovery range is OFF"].startswith("set ROS_AUTOMATIC_DISCOVERY_RANGE")


def test_a_folder_in_which_no_file_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_HOME", "/proc")  # root may write there, says its mode
    (found,) = (found for found in environment() if "/proc" in found.finding)
    assert found.level == "error" and found.finding.startswith("/proc cannot be written (")
    assert found.remedy == "make it writable, or set ROS_HOME to another folder"


def running(started: int) -> TaskSummary:
    step = ModuleProgress(node_name="hw_resources", task_status=int(TaskStatus.RUNNING), tries=2,
                          started=Time(sec=started), instance="/x/hw_resources")  # fmt: skip
    return TaskSummary(task_id=TaskId(problem_id=3, iteration_id=1), modules=[step])


def test_a_step_that_runs_longer_than_usual() -> None:
    usual = {"hw_resources": 4.0}
    assert list(slow_steps([running(1000)], usual, 1019.0)) == []
    (found,) = slow_steps([running(1000)], usual, 1021.0)
    assert found.level == "warning" and "try 2" in found.finding and "usually" in found.finding
    assert "3/1" in found.finding and "sustainml node reset hw_resources" in found.remedy
    assert list(slow_steps([running(1000)], {}, 1050.0)) == []
    (found,) = slow_steps([running(1000)], {}, 1061.0)
    assert "usually" not in found.finding


def test_tasks_behind_a_slow_step_are_named() -> None:
    def behind(problem: int) -> TaskSummary:
        """It waits for the module, and another follows."""
        done = ModuleProgress(node_name="first", task_status=int(TaskStatus.SUCCEEDED))
        waits = [ModuleProgress(node_name=name, task_status=int(TaskStatus.WAITING))
                 for name in ("hw_resources", "last")]  # fmt: skip
        return TaskSummary(task_id=TaskId(problem_id=problem, iteration_id=1),
                           modules=[done, *waits], started=Time(sec=1050))  # fmt: skip

    tasks = [running(1000), behind(4), running(1090)]
    (found,) = slow_steps(tasks, {}, 1100.0)
    assert found.finding.endswith("; tasks that wait behind it: 4/1 for 50 s")
    assert list(idle(tasks, 1100.0)) == []
    tasks[1].modules[0].finished = Time(sec=1070)
    (found,) = slow_steps(tasks, {}, 1100.0)
    assert found.finding.endswith("4/1 for 30 s")
    (found,) = slow_steps([running(1000), *map(behind, range(4, 12))], {}, 1100.0)
    assert found.finding.endswith("7/1 for 50 s, 8/1 for 50 s and 3 more")
    tasks[1].outcome_reason = "waits for hw_resources (task delivered for 30 s)"
    (found,) = idle(tasks[1:2], 1100.0)
    assert found.level == "warning" and "4/1: nothing happens for 30 s: waits" in found.finding
    assert list(idle(tasks[1:2], 1075.0)) == []
    assert "to 3 more tasks" in list(idle(map(behind, range(8)), 1100.0))[-1].finding


def test_an_orchestrator_that_is_there_but_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when its process was stopped: the cure is not to start another one."""
    namespace = f"/silent_{os.getpid()}"
    assert list(silent(namespace)) == []
    claim = Claim(namespace)
    try:
        (found,) = silent(namespace)
    finally:
        claim.close()
    assert found.level == "error" and "but does not answer" in found.finding
    assert f"kill -9 {os.getpid()}" in found.remedy


def test_a_queue_that_is_long_or_old() -> None:
    first = [TaskSummary(created=Time(sec=1000), outcome_reason="100 tasks run")]
    assert list(queue(799, 1000, first, 1599.0)) == []
    assert [f.level for f in queue(800, 1000, first, 1001.0)] == ["warning"]
    (found,) = queue(7, 1000, first, 1012.0, is_ready=False)
    assert "7 tasks are not begun, the first, 0/0, waits for 12 s" in found.finding
    (found,) = queue(1, 1000, first, 1601.0)
    assert "100 tasks run" in found.finding and found.remedy
    (found,) = queue(1000, 1000, first, 1001.0)
    assert found.level == "error" and "max_waiting_tasks" in found.remedy
