"""Credentials reach the modules, and nothing else: no file, no log, no answer, no message."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.puppet import Framework
from support.system import System, wait_for
from sustainml_msgs.msg import Task, UserInput
from sustainml_msgs.srv import Configure
from typer.testing import CliRunner

from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, TaskId, TaskStatus

SECRET = "s3cr3t-0f-th3-us3r"
EXTRA = {
    "hf_token": SECRET,
    "note": "kept",
    "deep": [{"er": {"API_KEY": SECRET, "plain": 1}}, [{"my_password": {"a": [SECRET]}}]],
}


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path, journal=True, timeout=20.0) as running:
        yield running


LEAKS = [
    f"401 for https://me:{SECRET}@host/x",
    f"GET https://host/x?access_token={SECRET}&a=1 failed",
    f"refused: Authorization: Bearer {SECRET}",
    f"sent {{'headers': {{'X-API-Key': '{SECRET}'}}}}",
]


@pytest.mark.parametrize("text", LEAKS)
def test_texts_of_errors_are_shown_without_them(tmp_path: Path, text: str) -> None:
    with Framework(tmp_path, "leaks", journal_path=str(tmp_path / "j.db")) as framework:
        puppet = framework.puppet
        task = puppet.start()
        for number in (1, 2):  # each of its tries
            wait_for(lambda n=number: puppet.summary(task).modules[0].tries >= n)
            puppet.say("first", task, TaskStatus.ERROR, error_description=text, try_number=number)
        summary = puppet.until_status(task, TaskStatus.ERROR)
        assert text[:7] in summary.error_description
        shown = repr([summary, *puppet.heard.values()]) + framework.log
        assert SECRET not in shown and not places_with_the_secret(tmp_path)


def test_the_configuration_of_a_module_is_shown_without_them(tmp_path: Path) -> None:
    with Framework(tmp_path, "configured") as framework:
        puppet = framework.puppet

        def configure(request: Configure.Request, response: Configure.Response):
            response.success = SECRET in request.configuration
            response.configuration = request.configuration
            return response

        puppet.run(lambda: puppet.node.create_service(Configure, "first/configure", configure))
        wanted = json.dumps({"a": [{"hf_token": SECRET}], "region": "DE"})
        answer = puppet.call("configure_node", node_name="first", configuration=wanted)
        assert answer.success, answer.message
        assert json.loads(answer.configuration) == {"a": [{}], "region": "DE"}


def start(system: System, text: str) -> TaskId:
    return system.client.start_task(UserInput(problem_definition=text), extra_data=EXTRA)


def places_with_the_secret(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name.endswith("-wal") and path.stat().st_size for path in files)
    return [path.name for path in files if SECRET.encode() in path.read_bytes()]


def test_they_reach_the_modules_and_nothing_else(system: System, tmp_path: Path) -> None:
    client = system.client
    shown: list[str] = []
    with client.updates() as updates:
        for text in ("needs:hf_token", "needs:hf_token fail:hw_resources"):
            task = client.wait_for_task(start(system, text), 30.0)
            if "fail" not in text:
                assert task.summary.task_status == TaskStatus.SUCCEEDED, task.summary
            shown += [repr(task), repr(client.get_task(TaskId(0, 0), include_binary=True))]
        while (update := updates.get(0.5)) is not None:
            shown.append(repr(update))
    whole = client.get_task(TaskId(1, 1), include_binary=True)
    assert b'"note"' in bytes(whole.user_input.extra_data)
    assert b'"plain"' in bytes(whole.user_input.extra_data)
    feedback: list[str] = []
    by_action: Task = client.run_task(
        UserInput(problem_definition="needs:hf_token"),
        extra_data=EXTRA,
        feedback=lambda summary: feedback.append(repr(summary)),
    )
    shown += [*feedback, repr(by_action), repr(client.list_tasks()), repr(client.system_state())]
    exported = tmp_path / "all.jsonl"
    words = ["export", str(exported), "--journal", str(tmp_path / "journal.sqlite")]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert exported.read_text().count("\n") == 3
    shown += [line for _, line in system.lines]
    assert len(shown) > 50 and not [text for text in shown if SECRET in text]
    assert not places_with_the_secret(tmp_path)


def test_after_a_restart_a_task_that_needs_them_fails_with_a_sentence(
    system: System, tmp_path: Path
) -> None:
    client = system.client
    client.control_node("app_requirements", NodeCommand.STOP)
    needing = start(system, "needs:hf_token")
    pid = system.supervisor.pids["orchestrator"]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: system.supervisor.pids.get("orchestrator", pid) != pid)
    ended = client.wait_for_task(needing, 30.0).summary
    assert (ended.task_status, ended.error_code) == (TaskStatus.ERROR, ErrorCode.INVALID_REQUEST)
    assert ended.error_description == (
        "its credentials were not kept over the restart of the orchestrator; "
        "submit it again with them"
    )
    assert not places_with_the_secret(tmp_path)
