"""The short form of `make fuzz`: hostile messages, requests, goals and parameters."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
from hypothesis import given
from rclpy.duration import Duration
from rich.progress import Progress
from support.attacks import Attack, batches
from support.budget import ASKED_FOR, examples
from support.puppet import PATIENCE, Framework, Puppet, copy_ids
from support.siege import PARAMETERS, Siege
from support.system import wait_for
from sustainml_msgs.msg import NodeStatus, TaskId, UserInput

from sustainml_orchestrator.core.text import MAX_SHOWN

#: Batches of up to 12 attacks.
_BATCHES = 120


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    framework = Framework(tmp_path_factory.mktemp("siege"), "siege", **PARAMETERS)
    with framework, Progress(disable=not ASKED_FOR) as progress:
        bar = progress.add_task("batches of attacks", total=ASKED_FOR)
        yield Siege(framework, lambda: progress.advance(bar))


@contextmanager
def at_work(puppet: Puppet, task: Any) -> Iterator[None]:
    """The first module reports that it works on a task, until the block ends.

    The orchestrator gives up a step of which nobody reports anything, and an attack may take half
    a minute on a busy machine.
    """
    puppet.node_status["first"] = NodeStatus.NODE_RUNNING
    puppet.say("first", task, NodeStatus.TASK_RUNNING)
    try:
        wait_for(lambda: puppet.summary(task).modules[0].task_status == NodeStatus.TASK_RUNNING)
        yield
    finally:
        puppet.node_status["first"] = NodeStatus.NODE_IDLE


@examples(_BATCHES)
@given(batches)
def test_any_batch_of_attacks_is_withstood(siege: Siege, batch: list[Attack]) -> None:
    siege.withstand(batch)


def test_what_is_dropped_is_counted_in_diagnostics(siege: Siege) -> None:
    before = Counter(siege.counted())
    victim = siege.puppet.start("amid what is dropped")
    others = {
        "of another session": {"session": victim.session ^ 1},
        "of another attempt": {"attempt": 2},
        "of another token": {"token": victim.token ^ 1},
        "of an unknown task": {"task_id": TaskId(problem_id=2**32 - 1, iteration_id=1)},
    }
    expected = Counter()
    for times, (reason, wrong) in enumerate(others.items(), 1):
        for _ in range(times):
            stale = UserInput()
            copy_ids(victim, stale)
            for field, value in wrong.items():
                setattr(stale, field, value)
            siege.puppet.say("first", stale, NodeStatus.TASK_RUNNING)
            siege.puppet.deliver("first", stale, model="stale")
        expected[f"status {reason}"] = expected[f"output {reason}"] = times
    siege.puppet.status.publish(NodeStatus(node_name="nobody"))
    siege.puppet.status.publish(b"\0\1\0\0 no status at all")
    siege.puppet.outputs["first"].publish(b"\0\1\0\0 no output")
    siege.puppet.outputs["first"].publish(b"\0\0\0\0" + bytes(100))  # the other byte order
    expected["status of an unknown node"] = expected["status that cannot be read"] = 1
    expected["output that cannot be read"] = 2
    siege.solve(victim)
    siege.puppet.deliver("first", victim, model="once more")
    expected["output that was there already"] = 1

    assert Counter(siege.counted()) - before == expected
    siege.look_back()


def test_long_texts_of_modules_are_shown_short_and_kept_whole(siege: Siege) -> None:
    puppet = siege.puppet
    task = puppet.start("long texts")
    puppet.say("first", task, NodeStatus.TASK_ERROR, error_description="x" * 5_000_000)
    puppet.command_to("first", task_id=task.task_id, try_number=2)
    puppet.deliver("first", task, model="m" * 3_000_000)
    wait_for(lambda: len(puppet.summary(task).model) == MAX_SHOWN, PATIENCE)
    puppet.say("second", task, NodeStatus.TASK_ERROR, error_code=2, error_description="y" * 10**6)
    summary = puppet.until_status(task, NodeStatus.TASK_ERROR)
    assert MAX_SHOWN <= len(summary.error_description) < MAX_SHOWN + 100
    whole = puppet.call("get_task", task_id=task.task_id, include_binary=True).task
    assert puppet.output_of(whole, "first").model == "m" * 3_000_000
    siege.look_back()


def test_large_models_of_others_take_no_room_but_buffers(siege: Siege) -> None:
    puppet, large = siege.puppet, array("B", bytes(50 * 2**20))
    process = psutil.Process(siege.pid)
    before = process.memory_info().rss
    victim = puppet.start("amid large models")
    for number in range(1, 13):
        stale = UserInput(task_id=victim.task_id, attempt=1 + number, session=victim.session)
        puppet.deliver("first", stale, raw_model=large)
        # One after the other: DDS keeps as many buffers as it ever needed at once.
        assert puppet.outputs["first"].wait_for_all_acked(Duration(seconds=PATIENCE))
        assert puppet.call("get_node_status").success
    siege.solve(victim)
    grown = process.memory_info().rss - before
    assert grown < 8 * len(large), f"{grown / 2**20:.0f} MiB"  # of twelve; DDS keeps some to reuse
    siege.look_back()


def test_the_node_answers_in_a_flood(siege: Siege) -> None:
    end = time.monotonic() + 2.0
    victim, number = siege.puppet.start("amid a flood"), 0
    with at_work(siege.puppet, victim):
        while time.monotonic() < end:
            for _ in range(500):
                number += 1
                siege.writers["status"].publish(b"\0\1\0\0" + number.to_bytes(4, "little") * 20)
                siege.writers["second/output"].publish(b"\0\1\0\0" + bytes(30))
            assert siege.puppet.call("get_node_status", within=3.0).success
    siege.solve(victim)
    siege.look_back()
