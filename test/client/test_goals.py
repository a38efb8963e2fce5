"""Goals of a client: sent by the right thread, cancelled when the caller waits no longer."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest
from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from support.system import wait_for
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.client import (
    ClientError,
    OrchestratorClient,
    OrchestratorUnavailable,
    RequestTimeout,
)

PROBLEM = UserInput(problem_definition="tell cats from dogs in photos")


def test_a_server_that_goes_ends_the_goal(
    server: subprocess.Popen[bytes], client: OrchestratorClient
) -> None:
    with pytest.raises(OrchestratorUnavailable, match="went away"):
        client.run_task(PROBLEM, feedback=lambda summary: server.terminate(), timeout=60.0)


def test_goals_are_sent_by_the_thread_that_takes_their_answers(
    server: subprocess.Popen[bytes], client: OrchestratorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else rclpy throws away an answer that comes before it waits for it."""
    threads: list[str] = []
    for kind, name in (
        (ActionClient, "send_goal_async"),
        (ClientGoalHandle, "get_result_async"),
        (ClientGoalHandle, "cancel_goal_async"),
    ):
        real = getattr(kind, name)

        def spy(*args, real=real, **options):
            threads.append(threading.current_thread().name)
            return real(*args, **options)

        monkeypatch.setattr(kind, name, spy)
    with pytest.raises(ClientError):
        client.run_task(PROBLEM, timeout=1.0)
    assert threads == ["_sustainml_client"] * 3


def test_what_ends_the_wait_cancels_the_goal(
    server: subprocess.Popen[bytes], client: OrchestratorClient
) -> None:
    """Feedback runs in the caller's thread: it may call the client, and raise."""
    seen: list[str] = []

    def feedback(summary) -> None:
        seen.append(summary.model)
        assert client.list_tasks()[1] == 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.run_task(PROBLEM, feedback=feedback, timeout=60.0)
    assert seen == ["m"]
    deadline = time.monotonic() + 10.0
    while client.list_tasks()[1] == 0:  # the cancellation and this request race
        assert time.monotonic() < deadline
    assert client.list_tasks()[1] == 1
    with pytest.raises(RequestTimeout, match="run_task"):
        client.run_task(PROBLEM, timeout=3.0)


def test_a_goal_that_is_accepted_too_late_is_cancelled(
    server: subprocess.Popen[bytes], client: OrchestratorClient
) -> None:
    def stop(summary) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # both sides have found each other then
        client.run_task(PROBLEM, feedback=stop, timeout=60.0)
    with pytest.raises(RequestTimeout, match="run_task"):
        client.run_task(UserInput(problem_definition="late"), timeout=1.0)
    wait_for(lambda: client.list_tasks()[1] == 2)
