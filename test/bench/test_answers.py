"""The judgement of answers: it finds faults, and the problems are what they claim to be."""

from __future__ import annotations

import pytest

from bench.answers import where
from bench.answers.check import Answer, ask, faults
from bench.loop.framework import Framework

PROBLEMS = where.table("problems")["problems"]
#: One of each kind, spread over the file.
SAMPLE = PROBLEMS[::7]


@pytest.fixture(scope="module")
def framework() -> Framework:
    return Framework()


def test_there_are_a_hundred_different_ones() -> None:
    assert len({problem["text"] for problem in PROBLEMS}) == len(PROBLEMS) == 100
    assert sum("refuse" in problem for problem in PROBLEMS) >= 15


def test_most_answers_are_acceptable(framework: Framework) -> None:
    wrong = {p["text"]: f for p in SAMPLE if (f := faults(p, ask(framework, p)))}
    assert len(wrong) <= len(SAMPLE) / 5, wrong


@pytest.mark.parametrize(
    ("model", "hardware", "runs"),
    [
        ("PekingU/rtdetr_r50vd", "Google Coral USB Accelerator", False),
        ("yolov8n", "Google Coral USB Accelerator", True),
        ("XGBoost", "Hailo-8", False),
        ("Qwen/Qwen2.5-7B-Instruct", "ESP32-S3", False),
        ("PekingU/rtdetr_r18vd", "Apple A17 Pro", False),
    ],
)
def test_the_table_of_what_runs_where(model: str, hardware: str, runs: bool) -> None:
    assert where.runs(model, hardware) is runs


def test_memory_is_judged_apart_from_the_catalogue() -> None:
    assert not where.fits("yolov8n", "ESP32-S3", "int8", "640 x 640 image")
    assert where.fits("yolov8n", "Raspberry Pi 5", "int8", "640 x 640 image")
    assert not where.fits(
        "meta-llama/Llama-3.1-70B-Instruct", "NVIDIA GeForce RTX 4090", "int4", ""
    )


def test_faults_are_found(framework: Framework) -> None:
    problem = next(p for p in PROBLEMS if p.get("hardware") == "Coral USB" and "never" in p)
    good = ask(framework, problem)
    assert faults(problem, good) == []
    bad = Answer(**{**vars(good), "model": "PekingU/rtdetr_r50vd"})
    assert {"runs there", "what was asked", "sentence"} <= set(faults(problem, bad))
    dear = Answer(**{**vars(good), "energy_wh": 1.0})
    assert faults(problem, dear) == ["numbers"]
    assert faults({**problem, "refuse": "x"}, good) == ["should be refused"]
    assert faults({**problem, "count": 5, "lost": ["3 kg"]}, good) == [
        "volume and place", "nothing lost"]  # fmt: skip
