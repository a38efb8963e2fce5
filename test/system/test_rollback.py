"""Journals that are rolled back, lost or replaced while modules run: no answer of another task."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import psutil
import pytest
from support.system import System, check_task, wait_for
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.client import RequestRefused
from sustainml_orchestrator.core.ids import ErrorCode, TaskId, TaskStatus
from sustainml_orchestrator.storage import files

TASKS = 5
FILES = ("", "-wal", ".lock")


def solve(system: System, texts: list[str]) -> list[TaskId]:
    """Run problems at the same time; each gets its own outputs."""
    client = system.client
    ids = [client.start_task(UserInput(problem_definition=text)) for text in texts]
    for text, task_id in zip(texts, ids, strict=True):
        summary = client.wait_for_task(task_id, 60.0).summary
        assert summary.task_status == TaskStatus.SUCCEEDED, summary.error_description
        check_task(text, client.get_task(task_id, include_binary=True))
    return ids


def end(system: System, number: signal.Signals) -> None:
    """End the orchestrator's process; the supervisor starts another a moment later."""
    process = psutil.Process(system.supervisor.pids["orchestrator"])
    process.send_signal(number)
    process.wait(20.0)


def wait_until_back(system: System, lines: int) -> None:
    wait_for(
        lambda: any("journal" in text and "iterations" in text for _, text in system.lines[lines:]),
        40.0,
        "the orchestrator did not come back",
    )
    system.client.wait_until_ready(40.0)


def copy(path: Path, target: Path, suffixes: tuple[str, ...] = FILES) -> None:
    for suffix in suffixes:
        if files.beside(path, suffix).exists():
            shutil.copyfile(files.beside(path, suffix), files.beside(target, suffix))


@pytest.mark.parametrize("how", ["copy by hand", "loss of power", "snapshot of all"])
def test_new_tasks_get_their_own_outputs_after_a_rollback(tmp_path: Path, how: str) -> None:
    journal, kept = tmp_path / "journal.sqlite", tmp_path / "kept.sqlite"
    with System(tmp_path, journal=True, timeout=20.0) as system:
        solve(system, ["the first"])
        if how == "loss of power":
            copy(journal, kept)
        else:
            lines = len(system.lines)
            end(system, signal.SIGTERM)
            copy(journal, kept)
            wait_until_back(system, lines)
        old = solve(system, [f"old {number}" for number in range(TASKS)])
        lines = len(system.lines)
        end(system, signal.SIGKILL)
        for suffix in ("-wal", "-shm"):
            files.beside(journal, suffix).unlink(missing_ok=True)
        copy(kept, journal, FILES if how == "snapshot of all" else FILES[:2])
        wait_until_back(system, lines)
        new = solve(system, [f"new {number}" for number in range(TASKS)])
        said = " ".join(text for _, text in system.lines[lines:])
        if how != "snapshot of all":
            assert "is older than the one that was here before" in said
            assert not set(old) & set(new)
        else:
            assert set(old) & set(new), "no id was used again: this shows nothing"
        if how == "loss of power":
            assert "up to 5 s of changes before that may be missing" in said


@pytest.mark.parametrize("suffix", ["-wal", ""])
def test_files_deleted_while_running_lose_nothing(tmp_path: Path, suffix: str) -> None:
    journal = tmp_path / "journal.sqlite"
    with System(tmp_path, journal=True, timeout=20.0) as system:
        before = solve(system, ["before"])
        files.beside(journal, suffix).unlink()
        after = solve(system, ["after"])
        wait_for(lambda: any("was deleted or replaced" in text for _, text in system.lines))
        lines = len(system.lines)
        end(system, signal.SIGKILL)
        wait_until_back(system, lines)
        for task_id, text in zip(before + after, ("before", "after"), strict=True):
            check_task(text, system.client.get_task(task_id, include_binary=True))


def test_a_folder_that_cannot_be_written_refuses_tasks(tmp_path: Path) -> None:
    """A deleted journal that cannot be written anew: said, and nothing is accepted and lost."""
    folder = tmp_path / "folder"
    folder.mkdir()
    parameters = {"journal_path": str(folder / "journal.sqlite")}
    with System(tmp_path, timeout=20.0, parameters=parameters) as system:
        solve(system, ["before"])
        shutil.rmtree(folder)
        folder.write_text("in the way")
        with pytest.raises(RequestRefused, match="cannot be written") as refused:
            system.client.start_task(UserInput(problem_definition="refused"), request_id="r")
        assert refused.value.code is ErrorCode.RESOURCE_EXHAUSTED
        folder.unlink()

        def taken() -> bool:
            try:
                solve(system, ["after"])
            except RequestRefused:
                return False
            return True

        wait_for(taken, 40.0)
        lines = len(system.lines)
        end(system, signal.SIGKILL)
        wait_until_back(system, lines)
        texts = {task.problem_short_description for task in system.client.list_tasks()[0]}
        assert {"before", "after"} <= texts
