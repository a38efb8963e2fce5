"""Journals that are rolled back, lost or replaced while modules run: no answer of another task."""

from __future__ import annotations

import shutil
import signal
import threading
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from support.system import System, check_task, wait_for
from sustainml_msgs.msg import HistoryEvent, UserInput

from sustainml_orchestrator.client import ClientError, OrchestratorClient, RequestRefused
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


def test_who_follows_the_history_is_told_of_a_rollback(tmp_path: Path) -> None:
    """And sees what happens from then on, although its revisions were told before."""
    journal, kept = tmp_path / "journal.sqlite", tmp_path / "kept.sqlite"
    with System(tmp_path, journal=True, timeout=20.0) as system:
        solve(system, ["the first"])
        for _ in range(2):  # each start reserves revisions
            lines = len(system.lines)
            end(system, signal.SIGTERM)
            if not kept.exists():
                copy(journal, kept)
            wait_until_back(system, lines)
        (last,) = system.client.get_history(limit=1, newest_first=True)
        followed: list[HistoryEvent] = []

        def follow(client: OrchestratorClient) -> None:
            with suppress(ClientError):
                followed.extend(client.follow_history(after_revision=last.revision))

        with OrchestratorClient(system.namespace, timeout=10.0) as client:
            following = threading.Thread(target=follow, args=(client,))
            following.start()
            solve(system, ["undone"])
            wait_for(lambda: "task.succeeded" in names(followed))
            lines, seen = len(system.lines), len(followed)
            end(system, signal.SIGKILL)
            for suffix in ("-wal", "-shm"):
                files.beside(journal, suffix).unlink(missing_ok=True)
            copy(kept, journal, FILES[:2])
            wait_until_back(system, lines)
            (task_id,) = solve(system, ["new"])
            wait_for(lambda: "task.succeeded" in names(followed[seen:]), 30.0)
        following.join()
    told = followed[seen:]
    assert names(told)[0] == "journal.changed" and names(told).count("journal.changed") == 1
    assert told[-1].revision < last.revision, "no revision was given again: this shows nothing"
    of_task = [e for e in told if e.task_id.problem_id == task_id.problem_id]
    assert names(of_task)[0] == "task.submitted" and names(of_task)[-1] == "task.succeeded"


def names(events: list[HistoryEvent]) -> list[str]:
    return [event.event for event in events]


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
