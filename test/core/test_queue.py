"""The queue of waiting tasks, against a sorted list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.core.waiting_queue import WaitingQueue


@given(st.lists(st.tuples(st.sampled_from(["add", "pop", "remove"]), st.integers(0, 255))))
def test_priority_then_age(moves: list[tuple[str, int]]) -> None:
    queue, model = WaitingQueue(), []
    for number, (move, value) in enumerate(moves):
        if move == "add":
            task = Task(TaskId(number + 1, 1), number, 1)
            task.priority = value % 4
            queue.add(task)
            model.append(task)
            model.sort(key=lambda item: -item.priority)  # stable: age decides among equals
        elif model and move == "pop":
            assert queue.pop() is model.pop(0)
        elif model:
            task = model.pop(value % len(model))
            queue.remove(task)
            assert task not in queue
        assert len(queue) == len(model)
    while model:
        assert queue.pop() is model.pop(0)
    with pytest.raises(IndexError):
        queue.pop()


def test_what_was_removed_is_not_kept() -> None:
    queue = WaitingQueue()
    for number in range(2000):
        task = Task(TaskId(number + 1, 1), number, 1)
        queue.add(task)
        queue.remove(task)
    assert len(queue._heap) < 100


def test_places_are_those_in_which_tasks_leave() -> None:
    queue = WaitingQueue()
    tasks = [Task(TaskId(number, 1), number, 1) for number in range(1, 30)]
    for number, task in enumerate(tasks):
        task.priority = number % 3
        queue.add(task)
    queue.remove(tasks[7])
    order = sorted((t for t in tasks if t in queue), key=queue.place)
    assert [queue.place(task) for task in order] == list(range(1, 29))
    assert [queue.pop() for _ in range(28)] == order
