"""What the benchmarks send, and whether a wrong or missing result would show."""

from __future__ import annotations

from pathlib import Path

import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sustainml_msgs.msg import ModuleProgress, NodeStatus, TaskSummary

from bench import plot, systems, work
from bench.client import _DESCRIPTION, _STATUS_AT
from bench.puppets import Part


def right(number: int) -> TaskSummary:
    summary = work.summary()
    summary.problem_short_description = summary.model = summary.hw_description = work.text(number)
    summary.carbon_footprint = float(number)
    summary.task_status = NodeStatus.TASK_SUCCEEDED
    summary.modules = [ModuleProgress(node_name=name, has_output=True) for name in work.TYPES]
    return summary


def test_a_wrong_result_is_told() -> None:
    work.check(7, right(7))
    wrong = [right(7) for _ in range(4)]
    wrong[0].model = work.text(8)
    wrong[1].carbon_footprint = 8.0
    wrong[2].task_status = NodeStatus.TASK_ERROR
    wrong[3].modules = wrong[3].modules[1:]
    for summary in wrong:
        with pytest.raises(RuntimeError, match="wrong result of task 7"):
            work.check(7, summary)


def test_status_and_description_stand_where_the_client_looks() -> None:
    data = serialize_message(right(1234))
    assert data[_STATUS_AT] == NodeStatus.TASK_SUCCEEDED
    assert int(data[_DESCRIPTION]) == 1234


@pytest.mark.parametrize("module", work.TYPES)
def test_templates_are_the_messages_that_they_stand_for(module: str) -> None:
    part = Part(module, f"/ns/{module}")
    wanted = work.answer(module, work.text(42))
    wanted.task_id.problem_id, wanted.task_id.iteration_id = 42, 1
    wanted.attempt, wanted.session, wanted.token = 2, 99, 7
    wanted.header.frame_id = f"/ns/{module}"
    ids = serialize_message(wanted)[4:24]
    assert deserialize_message(part.answer(ids), work.TYPES[module]) == wanted
    status = deserialize_message(part.succeeded.fill(ids), NodeStatus)
    assert (status.task_id, status.session, status.token) == (wanted.task_id, 99, 7)
    assert (status.task_status, status.node_name) == (NodeStatus.TASK_SUCCEEDED, module)


def test_no_task_of_the_relay_is_lost() -> None:
    with systems.relay() as client:
        load = client.run(10, 0.3)
    assert load.submitted >= len(load.latencies) == load.submitted - load.lost
    assert (load.lost, load.rate > 0, load.cpu > 0) == (0, True, True)


def test_growth_is_drawn(tmp_path: Path) -> None:
    points = {1: (5.0, 9.0, 200.0, 80.0), 100: (300.0, 400.0, 310.0, 85.0)}
    plot.growth(points, points, points, tmp_path / "new" / "growth.png")
    assert (tmp_path / "new" / "growth.png").read_bytes().startswith(b"\x89PNG")
