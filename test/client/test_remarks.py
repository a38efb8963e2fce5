"""What modules say beside their figures, for people."""

from __future__ import annotations

import json
from typing import Any

from sustainml_msgs.msg import Task

from sustainml_orchestrator.cli.description import figures
from sustainml_orchestrator.client.remarks import remarks


def data(**content: Any) -> bytes:
    return json.dumps(content).encode()


def test_remarks_come_in_their_order() -> None:
    task = Task()
    task.app_requirements.extra_data = data(not_understood=["5000 mah", "jetson thor"])
    task.hw_constraints.extra_data = data(
        assumptions=["'raspberry pi' is taken for Raspberry Pi 4 Model B"],
        not_in_catalogue=["'jetson thor' is not in the catalogue"],
    )
    task.ml_model.extra_data = data(notes=["needs fine-tuning on your own data"])
    task.carbon_footprint.extra_data = data(summary="One inference takes nothing.")
    assert list(remarks(task)) == [
        "result: One inference takes nothing.",
        "note: needs fine-tuning on your own data",
        "assumed: 'raspberry pi' is taken for Raspberry Pi 4 Model B",
        "hardware: 'jetson thor' is not in the catalogue",
        "not understood: 5000 mah, jetson thor",
    ]


def test_whatever_a_module_sends_is_no_fault() -> None:
    task = Task()
    for content in (b"", b"{", b"[1]", b"\xff", data(notes=7), data(notes=[None, {}, " "])):
        task.ml_model.extra_data = content
        assert list(remarks(task)) == []


def test_figures_are_for_what_was_counted() -> None:
    task = Task()
    assert any("for one inference" in each for each in figures(task))
    task.carbon_footprint.extra_data = data(inferences=20_000)
    assert any("for 20000 samples" in each for each in figures(task))
    task.user_input.maximum_samples = 5
    assert any("for 5 samples" in each for each in figures(task))
