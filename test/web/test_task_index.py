"""The table of all tasks."""

from __future__ import annotations

import math
import time

from sustainml_msgs.msg import ModuleProgress, TaskId, TaskSummary

from sustainml_orchestrator.web.task_index import ORDERS, TaskIndex


def summary(problem: int, iteration: int = 1, **fields: object) -> TaskSummary:
    made = TaskSummary(task_id=TaskId(problem_id=problem, iteration_id=iteration), revision=problem)
    made.created.sec = 1000 + problem
    unknown = dict.fromkeys(
        ("quality", "latency", "energy_consumption", "carbon_footprint"), math.nan
    )
    for name, value in {**unknown, "task_status": 3, **fields}.items():
        setattr(made, name, value)
    return made


def ids(index: TaskIndex, **wanted: object) -> list[int]:
    return [row["problem"] for row in index.page(**wanted)[0]]


def test_ten_thousand_tasks_are_paged_sorted_and_searched_at_once() -> None:
    index = TaskIndex()
    index.put(
        summary(n, problem_short_description=f"Problem of {'cats' if n % 100 == 0 else 'dogs'}",
                carbon_footprint=float(n % 1000), task_status=n % 6, model=f"Größe-{n % 7}")
        for n in range(1, 10_001)
    )  # fmt: skip
    began = time.process_time()
    assert ids(index, limit=3) == [10_000, 9_999, 9_998]
    assert ids(index, limit=2, offset=9_998) == [2, 1]
    assert index.page()[1] == 10_000
    assert index.page(words="CATS")[1] == 100
    assert index.page(words="cats größe-3")[1] == sum(
        n % 100 == 0 and n % 7 == 3 for n in range(1, 10_001)
    )
    assert index.page(statuses=[1, 4])[1] == sum(n % 6 in (1, 4) for n in range(1, 10_001))
    assert [row["carbon"] for row in index.page(order="carbon", limit=11)[0]][::10] == [999, 998]
    for order in ORDERS:
        index.page(order=order, descending=False, offset=5_000)
    assert time.process_time() - began < 1.0


def test_of_two_states_the_newer_stays() -> None:
    index = TaskIndex()
    index.put([summary(1, revision=5, task_status=3), summary(1, revision=4, task_status=2)])
    assert [row["status"] for row in index.page()[0]] == [3]
    assert index.counts[3] == 1 and index.counts[2] == 0


def test_what_is_unknown_comes_last() -> None:
    index = TaskIndex()
    index.put([summary(1), summary(2, quality=0.5), summary(3, quality=0.9)])
    assert ids(index, order="quality") == [3, 2, 1]
    assert ids(index, order="quality", descending=False) == [2, 3, 1]
    assert index.page(order="quality")[0][2]["quality"] is None


def test_words_are_no_language() -> None:
    index = TaskIndex()
    index.put([summary(1, problem_short_description="100 % sure'; drop table task; --")])
    assert ids(index, words="%") == [1] and ids(index, words="_") == []
    assert ids(index, words="'; drop") == [1] and ids(index, order="carbon; drop table task") == [1]


def test_tasks_that_are_gone_are_forgotten_by_a_sweep() -> None:
    index = TaskIndex()
    index.put([summary(n) for n in (1, 2, 3)])
    index.begin_sweep()
    index.put([summary(1), summary(4)])
    index.end_sweep()
    assert ids(index) == [4, 1] and len(index) == 2
    index.drop(4)
    assert ids(index) == [1] and index.counts[3] == 1


def test_steps_are_told_by_module() -> None:
    index = TaskIndex()
    steps = [ModuleProgress(node_name="a", has_output=True, task_status=2),
             ModuleProgress(node_name="b", task_status=2, tries=1),
             ModuleProgress(node_name="c")]  # fmt: skip
    index.put([summary(1, modules=steps)])
    assert index.page()[0][0]["steps"] == "329" and index.page()[0][0]["modules"] == "a,b,c"
