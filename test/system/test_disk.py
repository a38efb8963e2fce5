"""The disk under the journal fails while the system runs: nothing is promised that is not kept."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import QoSProfile
from support.system import System, wait_for
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.client import RequestRefused
from sustainml_orchestrator.client.feed import Feed
from sustainml_orchestrator.core.ids import ErrorCode, TaskId, TaskStatus


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path, journal=True) as running:
        yield running


@contextmanager
def full_disk(pid: int, size: int) -> Iterator[None]:
    """No file of that process grows beyond a size in bytes: the kernel refuses to write."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def why(system: System) -> str:
    """What diagnostics say of the orchestrator's errors, until they do."""
    found: list[str] = []
    with Feed(system.client, DiagnosticArray, "/diagnostics", QoSProfile(depth=50)) as feed:

        def look() -> bool:
            message = feed.get(1.0)
            found.extend(
                status.message
                for status in (message.status if message else ())
                if status.level == DiagnosticStatus.ERROR and system.namespace in status.name
            )
            return bool(found)

        wait_for(look, what="diagnostics show no error")
    return found[0]


def test_nothing_is_promised_that_is_not_kept(system: System, tmp_path: Path) -> None:
    client = system.client
    first = system.solve("the first one")
    assert first.summary.task_status == TaskStatus.SUCCEEDED
    pid = system.supervisor.pids["orchestrator"]
    # Less than a page: what SQLite has in its log must not find room by being moved elsewhere.
    with full_disk(pid, 4096):
        for text in ("the very first to fail", "and another"):
            with pytest.raises(
                RequestRefused, match=r"journal .* cannot be written: the disk"
            ) as e:
                client.start_task(UserInput(problem_definition=text), request_id=text)
            assert e.value.code is ErrorCode.RESOURCE_EXHAUSTED
        tasks, total = client.list_tasks()
        assert (total, tasks[0].problem_short_description) == (1, "the first one")
        assert client.get_task(TaskId(1, 1)).summary.task_status == TaskStatus.SUCCEEDED
        assert "cannot be written" in why(system)
    assert psutil.pid_exists(pid)

    refusals: list[str] = []

    def taken() -> bool:
        try:
            client.start_task(UserInput(problem_definition="again"), request_id="again")
        except RequestRefused as error:
            refusals.append(error.message)
            return False
        return True

    wait_for(taken, what=lambda: f"the disk is well again, but tasks are refused: {refusals[-1]}")
    wait_for(lambda: client.get_task(TaskId(0, 0)).summary.task_status == TaskStatus.SUCCEEDED)
    psutil.Process(pid).kill()
    wait_for(lambda: system.supervisor.pids.get("orchestrator", pid) != pid)
    client.wait_until_ready(20.0)
    texts = [task.problem_short_description for task in client.list_tasks()[0]]
    assert sorted(texts) == ["again", "the first one"]
