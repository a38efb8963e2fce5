"""The choice of an ML task: what wins, what is refused, and that no text breaks it."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.text.likeness import Likeness
from sustainml_orchestrator.reference_modules.text.problem import Problem, UnclearError
from sustainml_orchestrator.reference_modules.text.tasks import TaskCatalogue

DATA = catalog.load("ml_tasks")
TASKS = TaskCatalogue(DATA, Likeness())
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
    vague = "We have collected some data"
    keywords = {"dataset_metadata_keywords": ["time series", "electricity demand", "forecasting"]}
    assert TASKS.choose(Problem(definition=vague, extra=keywords)).tag == "time-series-forecasting"
    with pytest.raises(UnclearError):
        TASKS.choose(Problem(definition=vague))


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (Problem(), "has no text"),
        (Problem(modality="image"), "has no text"),
        (Problem(definition="Paint the fence green"), "no machine learning task can be read"),
        (Problem(definition="asdf qwer", modality="audio"), "no machine learning task"),
        (Problem(definition="our photos, and the animals"), "may call for image-classification"),
    ],
)
def test_refusals_say_what_to_add(problem: Problem, said: str) -> None:
    with pytest.raises(UnclearError, match=said) as caught:
        TASKS.choose(problem)
    assert "extra_data.goal, for example image-classification" in str(caught.value)


def test_confidence_grows_with_evidence() -> None:
    little = TASKS.choose(Problem(definition="hotels, reviews"), 0.0)
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
    assert not set(TASKS.unsupported) & set(TASKS.tasks)
    for tag, task in DATA["tasks"].items():
        assert set(task["in"]) <= modalities
        assert task.get("out", "image") in modalities
        for name in (tag, *task.get("aliases", ())):
            assert seen.setdefault(name, tag) == tag
            assert TASKS.find(name) == tag


def test_each_tag_in_a_text_names_its_task() -> None:
    for tag in TASKS.tasks:
        assert TASKS.choose(Problem(title=tag.replace("-", " "))).tag == tag


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Recommend three accessories to each customer based on their purchase history",
         "recommendation"),
        ("Dem Besucher eines Ladens passende Artikel zu seinen Einkäufen empfehlen",
         "recommendation"),
        ("Find groups of similar shoppers in our customer table, we have no labels", "clustering"),
        ("Find the shortest tours for our twelve delivery vans", "planning"),
        ("Build a 3D model of a church from a hundred photos", "3D models"),
        ("How much of the rise in sales was caused by the campaign?", "causal inference"),
    ],
)  # fmt: skip
def test_what_the_catalogue_lacks_is_refused_by_name(text: str, kind: str) -> None:
    with pytest.raises(UnclearError, match=r"not in the catalogue|not machine learning") as caught:
        TASKS.choose(Problem(definition=text))
    assert kind in str(caught.value)
    assert "extra_data.goal" in str(caught.value)


@pytest.mark.parametrize(
    ("modality", "tag"),
    [
        ("image", "image-classification"),
        ("Bild", "image-classification"),
        ("AUDIO", "audio-classification"),
        ("text", "text-classification"),
    ],
)
def test_the_modality_decides_between_tasks(modality: str, tag: str) -> None:
    problem = Problem(definition="Classify them into five categories", modality=modality)
    assert TASKS.choose(problem, min_confidence=0.0).tag == tag


@settings(max_examples=30, deadline=None)
@given(
    title=st.text(max_size=50),
    definition=st.text(max_size=300),
    modality=st.text(max_size=20),
    goal=st.none() | st.text(max_size=20),
)
@example(title="", definition="< /:0", modality="", goal=None)  # no word before the number
@example(title="", definition="< /:0", modality="image", goal=None)
@example(title="", definition="? then !", modality="image", goal=None)
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
