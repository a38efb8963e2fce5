"""The configure service: always an answer, for all workers, for good."""

from __future__ import annotations

import json

import pytest
from support.scripted_modules import Isolation, ScriptedOrchestrator, descendants

from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, NodeStatus, TaskStatus


def test_it_answers_with_the_current_one(
    orchestrator: ScriptedOrchestrator, isolation: Isolation
) -> None:
    orchestrator.start("Playful", *isolation)
    for text in ("", "{}", "  "):
        answer = orchestrator.configure(text)
        assert answer.success and answer.transaction_id == 77
        assert json.loads(answer.configuration) == {"greeting": "hello"}
    assert json.loads(orchestrator.configure('{"greeting": "hi"}').configuration) == {
        "greeting": "hi"
    }
    orchestrator.task((1, 1), "work")
    assert orchestrator.output((1, 1)).app_requirements[0] == "hi"


def test_scalars_and_arrays_of_numpy_are_numbers(
    orchestrator: ScriptedOrchestrator, isolation: Isolation
) -> None:
    orchestrator.start("Playful", *isolation)
    answer = orchestrator.configure('{"greeting": "numbers"}')
    assert answer.success, answer.message
    assert json.loads(answer.configuration) == {"scalar": 0.5, "array": [0, 1, 2], "is": True}


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        ("{", ErrorCode.INVALID_REQUEST, "the configuration is not valid JSON: "),
        (
            '{"greeting": NaN}',
            ErrorCode.INVALID_REQUEST,
            "the configuration is not valid JSON",
        ),
        ("[]", ErrorCode.INVALID_REQUEST, "the configuration is not a JSON object"),
        ("[" * 100_000, ErrorCode.INVALID_REQUEST, "the configuration is not valid JSON: "),
        ("x" * 2_000_000, ErrorCode.INVALID_REQUEST, "the configuration is longer than "),
        ('{"greeting": 3}', ErrorCode.INVALID_REQUEST, "greeting is no text; write one"),
        ('{"greeting": "list"}', ErrorCode.INTERNAL_ERROR, "configure() of Playful returned"),
        ('{"greeting": "object"}', ErrorCode.INTERNAL_ERROR, "configure() returned a value that"),
        ('{"greeting": "textless"}', ErrorCode.INTERNAL_ERROR, "(its __str__ raised KeyError)"),
        ('{"greeting": "hang"}', ErrorCode.TIMEOUT, "no answer from configure() within 1 s"),
    ],
)
def test_what_is_wrong_is_said(
    orchestrator: ScriptedOrchestrator,
    isolation: Isolation,
    text: str,
    code: ErrorCode,
    sentence: str,
) -> None:
    orchestrator.start("Playful", *isolation, "-p", "configure_timeout:=1.0")
    answer = orchestrator.configure(text)
    assert (answer.success, answer.error_code) == (False, code)
    assert answer.message.startswith(sentence)
    assert answer.transaction_id == 77
    orchestrator.task((1, 1), "work")
    assert orchestrator.output((1, 1)).app_requirements[0] == "hello"


def test_a_module_without_one_says_so(orchestrator: ScriptedOrchestrator) -> None:
    orchestrator.start("Careless")
    assert orchestrator.configure("").configuration == "{}"
    answer = orchestrator.configure('{"a": 1}')
    assert answer.message == "module app_requirements has no settings"


def test_an_inactive_module_refuses(orchestrator: ScriptedOrchestrator) -> None:
    orchestrator.launch("Playful")
    answer = orchestrator.configure("{}")
    assert answer.error_code == ErrorCode.REJECTED
    assert answer.message == "app_requirements is not active; start it first"


def test_it_answers_while_user_code_is_busy(
    orchestrator: ScriptedOrchestrator, isolation: Isolation
) -> None:
    orchestrator.start("Playful", *isolation)
    orchestrator.task((1, 1), "watch")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    assert orchestrator.configure('{"greeting": "hi"}').success


def test_it_answers_in_time_when_user_code_holds_the_interpreter(
    orchestrator: ScriptedOrchestrator,
) -> None:
    orchestrator.start("Playful", "-p", "configure_timeout:=0.3")
    orchestrator.task((1, 1), "hold", "1.5")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    # RUNNING is said just before the user code begins: what changes nothing tells when it has.
    answers = (orchestrator.configure('{"greeting": "hello"}') for _ in range(20))
    assert any(answer.error_code == ErrorCode.TIMEOUT for answer in answers)
    assert orchestrator.configure('{"greeting": "hi"}').error_code == ErrorCode.TIMEOUT
    # It was too late when user code let go, so it did not take effect behind our back.
    orchestrator.await_task((1, 1), TaskStatus.SUCCEEDED)
    assert orchestrator.output((1, 1)).app_requirements[0] == "hello"
    assert json.loads(orchestrator.configure("").configuration) == {"greeting": "hello"}


def test_it_reaches_all_workers_and_outlives_them(orchestrator: ScriptedOrchestrator) -> None:
    process = orchestrator.start("Playful", "-p", "workers:=3")
    assert orchestrator.configure('{"greeting": "hi"}').success
    for number in (1, 2, 3):
        orchestrator.task((number, 1), "sleep", "0.3")
    for number in (1, 2, 3):
        assert orchestrator.output((number, 1)).app_requirements[0] == "hi"
    used = {note.split()[-1] for note in orchestrator.noted() if "process" in note}
    assert len(used) == 3 and len(descendants(process.pid)) == 4
    orchestrator.task((4, 1), "crash")
    orchestrator.await_task((4, 1), TaskStatus.ERROR)
    orchestrator.order(node=NodeCommand.RESET)
    orchestrator.await_node(NodeStatus.INITIALIZING)
    orchestrator.await_node(NodeStatus.IDLE)
    orchestrator.task((5, 1), "work")
    assert orchestrator.output((5, 1)).app_requirements[0] == "hi"


def test_a_busy_worker_that_missed_it_is_replaced(orchestrator: ScriptedOrchestrator) -> None:
    orchestrator.start("Playful", "-p", "workers:=2", "-p", "configure_timeout:=0.5")
    orchestrator.task((1, 1), "hold", "1.5")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    assert orchestrator.configure('{"greeting": "hi"}').success
    orchestrator.await_task((1, 1), TaskStatus.SUCCEEDED)
    for number in (2, 3):
        orchestrator.task((number, 1), "sleep", "0.3")
    for number in (2, 3):
        assert orchestrator.output((number, 1)).app_requirements[0] == "hi"
