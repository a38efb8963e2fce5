"""Whatever user code does, the node lives on, says what happened, and goes on with its beats."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rclpy.serialization import serialize_message
from support.scripted_modules import AUTHORS, Isolation, ScriptedOrchestrator, alive, descendants
from sustainml_msgs.msg import HWConstraints

from sustainml_orchestrator.contract.exit_codes import ExitCode
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, NodeStatus, TaskStatus

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_module.py"


@pytest.mark.parametrize(
    ("what", "code", "text"),
    [
        ("raise", ErrorCode.INTERNAL_ERROR, "KeyError: 'no such thing'"),
        ("refuse", ErrorCode.INVALID_REQUEST, "the problem is empty; describe it"),
        ("exhaust", ErrorCode.RESOURCE_EXHAUSTED, "no memory left"),
        ("leave", ErrorCode.INTERNAL_ERROR, "SystemExit: 3"),
    ],
)
def test_an_exception_is_a_task_error(
    orchestrator: ScriptedOrchestrator, isolation: Isolation, what: str, code: ErrorCode, text: str
) -> None:
    orchestrator.start("Playful", *isolation)
    orchestrator.task((1, 1), what)
    status = orchestrator.await_task((1, 1), TaskStatus.ERROR)
    assert (status.error_code, status.error_description) == (code, text)
    orchestrator.task((2, 1), "work")
    orchestrator.output((2, 1))
    orchestrator.await_task((2, 1), TaskStatus.SUCCEEDED)
    # It may have had to wait a moment until the worker of the first was free.
    assert orchestrator.course((2, 1))[-2:] == [TaskStatus.RUNNING, TaskStatus.SUCCEEDED]


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("nothing", r"process\(\) of Careless returned None; it must return a "
                    r"sustainml_msgs/msg/AppRequirements"),
        ("wrong", r"process\(\) of Careless returned a HWConstraints; .*"),
        ("dict", r"process\(\) of Careless returned a dict; it must return a .*AppRequirements"),
        ("surrogate", r".* whose app_requirements\[1\] contains '\\ud800', which is no Unicode .*"),
        ("number", r".* whose app_requirements\[0\] is of type int; it must be string"),
        ("none", r".* whose app_requirements is None; it must be list"),
        ("bytes", r"TypeError: .*, in field extra_data \(sequence<uint8>\) of AppRequirements"),
        ("textless", r"\(its __str__ raised KeyError\)"),
        ("curious", r"AttributeError: there is no input 'no_such_input'; there are user_input"),
    ],
)  # fmt: skip
def test_a_useless_output_is_a_task_error(
    orchestrator: ScriptedOrchestrator, isolation: Isolation, what: str, text: str
) -> None:
    orchestrator.start("Careless", *isolation)
    orchestrator.task((1, 1), what)
    status = orchestrator.await_task((1, 1), TaskStatus.ERROR)
    assert status.error_code == ErrorCode.INTERNAL_ERROR
    assert re.fullmatch(text, status.error_description)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("crash", "the worker process was killed by SIGSEGV during process()"),
        ("breed", "the worker process was killed by SIGSEGV during process()"),
        ("vanish", "the worker process ended with 7 during process()"),
    ],
)
def test_a_crash_costs_one_task(orchestrator: ScriptedOrchestrator, what: str, text: str) -> None:
    process = orchestrator.start("Playful")
    orchestrator.task((1, 1), what)
    orchestrator.task((2, 1), "work")
    status = orchestrator.await_task((1, 1), TaskStatus.ERROR)
    assert (status.error_code, status.error_description) == (ErrorCode.INTERNAL_ERROR, text)
    orchestrator.output((2, 1))
    orchestrator.until(lambda: len(descendants(process.pid)) == 2, "no process left over")


def test_an_idle_worker_that_is_killed_is_replaced(orchestrator: ScriptedOrchestrator) -> None:
    process = orchestrator.start("Playful")
    fork_server, worker = descendants(process.pid)
    os.kill(worker, signal.SIGKILL)
    orchestrator.until(lambda: not alive(worker), "its death")
    # An input that meets the dying worker may be lost; the orchestrator delivers again, so do we.
    attempts = itertools.count(1000)
    orchestrator.until(
        lambda: orchestrator._worked(("user_input",), next(attempts)), "work of its successor"
    )
    assert descendants(process.pid) != [fork_server, worker]


def test_without_the_fork_server_the_node_is_in_error(orchestrator: ScriptedOrchestrator) -> None:
    process = orchestrator.start("Playful")
    fork_server, worker = descendants(process.pid)
    os.kill(fork_server, signal.SIGKILL)
    orchestrator.until(lambda: not alive(worker), "the death of the worker")
    orchestrator.task((1, 1), "work")
    orchestrator.await_task((1, 1), TaskStatus.ERROR)
    orchestrator.await_node(NodeStatus.ERROR)
    process.terminate()
    assert process.wait(3) == 0


@pytest.mark.parametrize("what", ["hold", "never"])
def test_heartbeats_go_on_whatever_user_code_does(
    orchestrator: ScriptedOrchestrator, what: str
) -> None:
    orchestrator.start("Playful", "-p", "heartbeat_period:=0.1")
    orchestrator.task((1, 1), what, "1.5")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    arrivals = [time.monotonic()]
    while arrivals[-1] - arrivals[0] < 1.2:
        orchestrator.statuses.clear()
        orchestrator.until(lambda: orchestrator.statuses, "a heartbeat", 2.0)
        arrivals.append(time.monotonic())
    assert max(after - before for before, after in itertools.pairwise(arrivals)) < 0.5
    assert orchestrator.statuses[-1].node_status == NodeStatus.RUNNING


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("what", ["", "never", "swallow", "hold"])
def test_signals_end_the_process_cleanly(
    orchestrator: ScriptedOrchestrator, signum: signal.Signals, what: str
) -> None:
    process = orchestrator.start("Playful")
    if what:
        orchestrator.task((1, 1), what, "3600")
        orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    children = descendants(process.pid)
    begun = time.monotonic()
    process.send_signal(signum)
    orchestrator.await_node(NodeStatus.TERMINATING)
    assert process.wait(5) == 0
    assert time.monotonic() - begun < 2
    assert [line for line in process.stderr if "[INFO]" not in line] == []
    assert not any(map(alive, children))
    if what:
        assert orchestrator.course((1, 1))[-1] == TaskStatus.RETURNED


def test_signals_end_a_thread_module(orchestrator: ScriptedOrchestrator) -> None:
    process = orchestrator.start("Playful", "-p", "isolation:=thread")
    orchestrator.task((1, 1), "never")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    begun = time.monotonic()
    process.terminate()
    assert process.wait(5) == 0
    assert time.monotonic() - begun < 2
    assert [line for line in process.stderr if "[INFO]" not in line] == []


@pytest.mark.parametrize("what", ["never", "hold", "swallow"])
def test_workers_end_when_their_node_is_killed(
    orchestrator: ScriptedOrchestrator, what: str
) -> None:
    process = orchestrator.start("Playful", "-p", "workers:=2")
    orchestrator.task((1, 1), what, "3600")
    orchestrator.await_task((1, 1), TaskStatus.RUNNING)
    children = descendants(process.pid)
    assert len(children) == 3
    process.kill()
    orchestrator.until(lambda: not any(map(alive, children)), "the end of all workers")


def test_workers_work_side_by_side(
    orchestrator: ScriptedOrchestrator, isolation: Isolation
) -> None:
    orchestrator.start("Playful", *isolation, "-p", "workers:=2")
    orchestrator.task((1, 1), "watch")
    orchestrator.task((2, 1), "watch")
    orchestrator.task((3, 1), "work")
    orchestrator.await_task((2, 1), TaskStatus.RUNNING)
    orchestrator.await_task((3, 1), TaskStatus.WAITING)
    assert orchestrator.course((1, 1)) == [TaskStatus.RUNNING]


def test_a_provider_joins_three_inputs_and_later_six(
    orchestrator: ScriptedOrchestrator, isolation: Isolation
) -> None:
    orchestrator.start("Provider", *isolation, module="ml_model_provider")
    inputs = {
        "app_requirements": {"app_requirements": ["a"]},
        "ml_model_metadata": {"keywords": ["m"]},
        "hw_constraints": {"hardware_required": ["h"]},
    }
    baselines = {
        "baseline/carbon_tracker": {"carbon_footprint": 2.0},
        "baseline/hw_resources": {"hw_description": "board"},
        "baseline/ml_model_provider": {"model": "base"},
    }
    for name, fields in inputs.items():
        orchestrator.send(name, (1, 1), **fields)
    assert orchestrator.output((1, 1)).model == "a,m,h,,,0.0"
    for name, fields in inputs.items():
        orchestrator.send(name, (1, 2), **fields)
    orchestrator.listen(0.3)
    assert orchestrator.of((1, 2)) == []
    for name, fields in baselines.items():
        orchestrator.send(name, (1, 2), **fields)
    assert orchestrator.output((1, 2)).model == "a,m,h,base,board,2.0"
    assert orchestrator.output((1, 2)).header.stamp.sec > 0


def test_any_bytes_are_survived(orchestrator: ScriptedOrchestrator, isolation: Isolation) -> None:
    orchestrator.start("Playful", *isolation)
    whole = serialize_message(orchestrator.message("user_input", (1, 1), 1, modality="work"))
    for data in (b"\0", b"\0\1\0\0", bytes(28), b"\xff" * 100, whole[:45], whole[:27]):
        orchestrator.send_bytes("user_input", data)
        orchestrator.send_bytes("control", data)
    status = orchestrator.await_task((1, 1), TaskStatus.ERROR)
    assert status.error_description.startswith("the input 'user_input' cannot be read")
    orchestrator.send_bytes("user_input", whole[:4] + b"\2" + whole[5:])
    orchestrator.output((2, 1))


def test_a_module_of_ones_own(orchestrator: ScriptedOrchestrator) -> None:
    inputs = ("user_input", "app_requirements")
    orchestrator.start("Checker", module="dataset_check", type_=HWConstraints, inputs=inputs)
    orchestrator.send("user_input", (1, 1))
    orchestrator.send("app_requirements", (1, 1), app_requirements=["x"])
    output = orchestrator.output((1, 1))
    assert output.hardware_required == ["x"]
    assert output.header.frame_id == f"{orchestrator.namespace}/dataset_check"


def test_the_example_works_as_printed(orchestrator: ScriptedOrchestrator) -> None:
    process = orchestrator.start("", script=EXAMPLE, module="hw_resources")
    for name in ("app_requirements", "hw_constraints"):
        orchestrator.send(name, (1, 1))
        orchestrator.send(name, (2, 1))
    orchestrator.send("ml_model_provider", (1, 1), model="resnet")
    orchestrator.send("ml_model_provider", (2, 1))
    assert orchestrator.output((1, 1)).power_consumption == 15.0
    status = orchestrator.await_task((2, 1), TaskStatus.ERROR)
    assert status.error_description.startswith("no model was proposed")
    assert orchestrator.configure('{"watts": 3}', "hw_resources").success
    orchestrator.order(node=NodeCommand.TERMINATE)
    assert process.wait(5) == 0
    assert [line for line in process.stderr if "[INFO]" not in line] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["Homeless"], "dataset_check is not a standard module; say what Homeless consumes"),
        (["Playful", "--ros-args", "-p", "isolation:=magic"], "give process or thread"),
        (["Playful", "--ros-args", "-p", "workers:=0"], "workers; set 1 to 64"),
        (["Playful", "--ros-args", "-p", "workers:=many"], "parameter workers"),
    ],
)
def test_what_cannot_run_says_why_in_one_line(arguments: list[str], sentence: str) -> None:
    command = [sys.executable, str(AUTHORS), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
    assert ended.returncode == ExitCode.USAGE
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
