"""The choice of an ML task: what wins, what is refused, and that no text breaks it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.text.problem import MAX_TEXT, Problem, UnclearError
from sustainml_orchestrator.reference_modules.text.tasks import TaskCatalogue

DATA = catalog.load("ml_tasks")
TASKS = TaskCatalogue(DATA)
REVIEWS = Problem(definition="Classify reviews of hotels by sentiment", modality="text")


def test_a_known_goal_wins_over_the_text() -> None:
    problem = Problem(definition=REVIEWS.definition, extra={"goal": "Object_Detection"})
    verdict = TASKS.choose(problem)
    assert (verdict.tag, verdict.confidence) == ("object-detection", 1.0)
    assert verdict.alternatives[0] == "text-classification"


@pytest.mark.parametrize(
    ("goal", "tag"),
    [
        ("image-classification", "image-classification"),
        ("Sentiment Analysis", "text-classification"),
        ("NER", "token-classification"),
        ("U_NET_MODELS", "image-segmentation"),
    ],
)
def test_goals_have_other_names(goal: str, tag: str) -> None:
    assert TASKS.choose(Problem(extra={"goal": goal})).tag == tag


@pytest.mark.parametrize("goal", ["", "(empty)", None, 7, ["image-classification"]])
def test_no_goal_is_no_goal(goal: object) -> None:
    verdict = TASKS.choose(Problem(definition=REVIEWS.definition, extra={"goal": goal}))
    assert verdict.tag == "text-classification"
    assert 0.4 <= verdict.confidence < 1


def test_an_unknown_goal_is_read_as_words() -> None:
    assert TASKS.choose(Problem(extra={"goal": "transcribe interviews"})).tag == (
        "automatic-speech-recognition"
    )


def test_the_data_set_speaks_too() -> None:
    vague = Problem(definition="Predict the outcome, is it good or bad", modality="tabular")
    described = Problem(
        definition="What will the values be?",
        extra={"dataset_metadata_keywords": ["time series", "electricity demand", "forecasting"]},
    )
    assert (
        TASKS.scores(described)["time-series-forecasting"]
        > TASKS.scores(vague)["time-series-forecasting"]
    )


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (Problem(), "has no text"),
        (Problem(modality="image"), "has no text"),
        (Problem(definition="Paint the fence green"), "no machine learning task can be read"),
        (Problem(definition="asdf qwer", modality="audio"), "no machine learning task"),
        (Problem(definition="our photos, and the species"), "may call for image-classification"),
    ],
)
def test_refusals_say_what_to_add(problem: Problem, said: str) -> None:
    with pytest.raises(UnclearError, match=said) as caught:
        TASKS.choose(problem)
    assert "extra_data.goal, for example image-classification" in str(caught.value)


def test_confidence_grows_with_evidence() -> None:
    little = TASKS.choose(Problem(definition="Classify reviews"), 0.0)
    much = TASKS.choose(REVIEWS)
    assert little.tag == much.tag
    assert little.confidence < much.confidence


def test_every_task_of_the_models_is_known() -> None:
    models = catalog.load("models")
    names = {task for model in models["models"] for task in model["tasks"]}
    assert [name for name in names if TASKS.find(name) != name] == []
    aliases = models["task_aliases"]
    assert [name for name in aliases if not TASKS.find(name)] == []


def test_the_catalogue_is_consistent() -> None:
    modalities = {*DATA["modalities"], "any"}
    seen: dict[str, str] = {}
    for tag, task in DATA["tasks"].items():
        assert set(task["in"]) <= modalities
        assert task.get("out", "image") in modalities
        assert set(task.get("actions", ())) <= set(DATA["actions"])
        assert set(task.get("results", ())) <= set(DATA["results"])
        for name in (tag, *task.get("aliases", ())):
            assert seen.setdefault(name, tag) == tag
            assert TASKS.find(name) == tag


def test_each_tag_in_a_text_names_its_task() -> None:
    for tag in TASKS.tasks:
        assert TASKS.choose(Problem(title=tag.replace("-", " "))).tag == tag


def test_a_long_text_takes_no_long_time() -> None:
    problem = Problem(definition=("Classify the image, detect text; " * 1000)[:MAX_TEXT])
    begin = time.process_time()
    TASKS.scores(problem)
    assert time.process_time() - begin < 1.0


@settings(max_examples=60, deadline=None)
@given(
    title=st.text(max_size=50),
    definition=st.text(max_size=300),
    modality=st.text(max_size=20),
    goal=st.none() | st.text(max_size=20),
)
def test_any_text_is_answered_or_refused(
    title: str, definition: str, modality: str, goal: str | None
) -> None:
    problem = Problem(title, definition, modality, title, definition, extra={"goal": goal})
    try:
        verdict = TASKS.choose(problem)
    except UnclearError:
        return
    assert verdict.tag in TASKS.tasks
    assert 0.0 < verdict.confidence <= 1.0
    assert verdict.tag not in verdict.alternatives
