"""With --json every command that fails prints one JSON object, and keeps its exit code."""

from __future__ import annotations

import json
import sys

import pytest
from typer.testing import CliRunner

import sustainml_orchestrator.client
from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.client import (
    ClientError,
    OrchestratorUnavailable,
    RequestRefused,
    RequestTimeout,
)
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, TaskCommand

COMMANDS = [
    ["list"], ["show", "1"], ["delete", "1"], ["compare", "1"], ["nodes"], ["configure", "m"],
    ["history", "1/1"],
    ["submit", "-d", "x"], ["submit", "-d", "x", "--watch"], ["iterate", "1/1"],
    *(["node", command.name.lower(), "all"] for command in NodeCommand if command),
    *(["task", command.name.lower(), "1/1"] for command in TaskCommand if command),
]  # fmt: skip
ERRORS = [
    (OrchestratorUnavailable(ErrorCode.NODE_UNAVAILABLE, "start one"), 3, "NODE_UNAVAILABLE"),
    (RequestTimeout(ErrorCode.TIMEOUT, "not in time"), 1, "TIMEOUT"),
    (RequestRefused(ErrorCode.NOT_FOUND, "there is none\x1b[2J"), 1, "NOT_FOUND"),
    (ClientError(ErrorCode.CANCELLED, "this client is closed"), 1, "CANCELLED"),
    (OSError(28, "No space left"), 1, "INTERNAL_ERROR"),
    (RuntimeError("a bug"), 1, "INTERNAL_ERROR"),
]


def failed(words: list[str], code: int) -> dict[str, object]:
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == code, result.output
    answer = json.loads(result.stdout)
    assert answer["success"] is False and answer["error_code"] and answer["message"]
    return dict(answer)


@pytest.mark.parametrize(("error", "code", "name"), ERRORS)
def test_errors_of_requests(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, name: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(sustainml_orchestrator.client, "OrchestratorClient", fail)
    for words in COMMANDS:
        answer = failed(words, code)
        assert answer["error"] == name, words
        assert getattr(error, "message", getattr(error, "strerror", str(error))) in str(
            answer["message"]
        ), words


def test_errors_of_usage() -> None:
    for words in COMMANDS:
        answer = failed([*words, "--nonsense"], 2)
        assert answer["error"] == "INVALID_REQUEST" and "--nonsense" in str(answer["message"])
        assert "sustainml" in str(answer["message"]) and "--help" in str(answer["message"])


def test_without_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sustainml_msgs.msg", None)
    monkeypatch.setitem(sys.modules, "sustainml_orchestrator.client", None)
    for words in COMMANDS:
        assert "source the environment" in str(failed(words, 1)["message"])
