"""A search as it is shown: a bar for each iteration, the target where it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sustainml_msgs.msg import TaskId, TaskSummary

from sustainml_orchestrator.cli import descent
from sustainml_orchestrator.cli.console import Console
from sustainml_orchestrator.core.ids import TaskStatus

NAN = float("nan")


def summary(number: int, carbon: float, **fields: Any) -> TaskSummary:
    return TaskSummary(
        task_id=TaskId(problem_id=7, iteration_id=number),
        task_status=int(TaskStatus.SUCCEEDED),
        carbon_footprint=carbon,
        quality=0.5,
        model=f"someone/model-{number}",
        hw_description="a board",
        **fields,
    )


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Shows summaries; gives the lines that stand there in the end."""

    def shown(target: float, *summaries: TaskSummary) -> list[str]:
        file = tmp_path / "shown"
        with file.open("w") as stream:
            console = Console()
            console.file, console.width = stream, 100
            monkeypatch.setattr(descent, "out", console)
            with descent.Descent(target) as view:
                for item in summaries:
                    view.show(item)
        return [line.rstrip() for line in file.read_text().splitlines()]

    return shown


def test_bars_have_the_length_of_the_carbon(show: Any) -> None:
    _, first, second, target = show(0.5, summary(1, 1.0), summary(2, 0.25))
    assert first.count("█") == 24 and second.count("█") == 6
    assert "model-1 on a board" in first and "0.25" in second
    assert target.index("▲") == first.index("█") + 12 and target.endswith("target: 0.5")


def test_an_iteration_without_figures_is_described_in_words(show: Any) -> None:
    running = TaskSummary(
        task_id=TaskId(problem_id=7, iteration_id=2),
        task_status=int(TaskStatus.RUNNING),
        carbon_footprint=NAN,
        progress=0.5,
    )
    _, first, second = show(0.0, summary(1, 1.0), running)
    assert "█" in first and "50% waiting for the next module" in second
    assert show(1.0)[1:] == [] and len(show(0.0, summary(1, 0.0), summary(2, NAN))) == 3
