"""A summary written straight as CDR is the message that rclpy would have sent."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from support.driver import Driver
from sustainml_msgs.msg import TaskSummary

from sustainml_orchestrator.core.events import DeletionRequested
from sustainml_orchestrator.core.ids import ErrorCode, TaskCommand, TaskStatus
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.node import conversions, summaries

texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=30)
figures = st.floats(allow_nan=False)


def summary_of(driver: Driver, task: Task) -> TaskSummary:
    message = conversions.summary_to_msg(driver.core, task)
    return deserialize_message(serialize_message(message), TaskSummary)


def check(driver: Driver, task: Task) -> None:
    data, expected = summaries.serialize(driver.core, task), summary_of(driver, task)
    assert len(data) == len(serialize_message(expected))
    # As texts, in which NaN is like NaN.
    assert repr(deserialize_message(data, TaskSummary)) == repr(expected)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 6), texts, texts, texts, texts, figures, figures, st.integers(0, 255))
def test_it_is_what_rclpy_would_write(
    done: int, description: str, model: str, hardware: str, error: str, quality: float,
    carbon: float, priority: int,
) -> None:  # fmt: skip
    driver = Driver()
    driver.bring_up()
    task = driver.submit(priority=priority)
    task.description = description
    for name in driver.names[:done]:
        driver.report(name, task, TaskStatus.RUNNING)
        check(driver, task)
        driver.output(name, task)
    task.model, task.hw_description, task.quality, task.carbon = model, hardware, quality, carbon
    check(driver, task)
    if done < len(driver.names):
        failing = driver.names[done]
        code, text = ErrorCode.INVALID_REQUEST, error
        driver.report(failing, task, TaskStatus.ERROR, error_code=code, error_description=text)
    check(driver, task)
    assert math.isnan(task.latency)


def test_one_that_waits_says_for_whom() -> None:
    driver = Driver()
    task = driver.submit()
    check(driver, task)
    data = summaries.serialize(driver.core, task)
    assert "never seen" in deserialize_message(data, TaskSummary).outcome_reason


def test_later_iterations_and_attempts_are_linked() -> None:
    driver = Driver()
    driver.bring_up()
    first = driver.submit()
    driver.command(first, TaskCommand.STOP)
    second = driver.submit(base=first.task_id)
    driver.command(first, TaskCommand.RESET)
    check(driver, first)
    check(driver, second)
    assert driver.ask(DeletionRequested, first.task_id.problem_id).error is not None
