"""Things larger than the input of a model count as many inferences."""

from __future__ import annotations

import pytest

from bench.answers.check import Answer, ask
from bench.loop.framework import Framework


@pytest.fixture(scope="module")
def framework() -> Framework:
    return Framework()


def answer(framework: Framework, text: str, modality: str = "") -> Answer:
    return ask(framework, {"text": text, "modality": modality})


@pytest.mark.parametrize(
    ("text", "count", "note"),
    [
        ("Find ships in satellite images of 4096 x 4096 pixels, 500 images per day, on an A10",
         500 * 49, "49 inferences for each, of tiles"),
        ("Detect cracks in photos of 48 megapixels, 2,000 photos a week, on an L4", 2_000 * 130,
         "130 inferences for each"),
        ("Translate 100 letters a day from Spanish into Romanian on an L4", 200,
         "es into ro: Helsinki-NLP/opus-mt-ROMANCE-en, then "),
        ("Count cars in 1080p pictures on an L4, 500 images per day", 500, "scaled down"),
        ("Segment organs in CT volumes of 240x240x155 voxels on an RTX A6000, 40 scans per week",
         40 * 12, "12 inferences for each, of parts"),
        ("Transcribe 300 one-hour interviews in German on a laptop", 300 * 120, "3,600 s"),
        ("Transcribe 200 English calls a day, calls of 5 minutes, on a T4", 200 * 10, "300 s"),
        ("Transcribe 500 hours of English call recordings per month on a T4", 60_000, ""),
        ("Summarise 300-page contracts in English, 2 contracts a week on an L4", 2 * 381,
         "have to be summarised again"),
        ("Translate 1,000 letters a month from English into French and Italian on an L4", 2_000,
         "translated 2 times"),
        ("Translate Dutch manuals into English, 500 pages a month, on an L4", 500 * 11, "passages"),
        ("Forecast the number of calls per half hour in our call centre", 1, ""),
        ("Translate 800 letters a day from Turkish into German on an L4", 1_600,
         "through English"),
        ("Classify calls by emotion, 2,000 calls a day of 4 minutes, on an L4", 2_000 * 24, ""),
        ("Transcribe hearings in Polish, 3 hours each, 20 hearings per day, on an A30",
         20 * 360, ""),
        ("Classify 10-second recordings of birds on a Raspberry Pi 4", 1, ""),
        ("Translate 1,000 letters a month from French into German and Spanish on an L4", 2_000,
         "no single model translates every pair of languages; models: fr into de: "),
    ],
)  # fmt: skip
def test_what_is_cut_counts_as_its_pieces(
    framework: Framework, text: str, count: int, note: str
) -> None:
    found = answer(framework, text)
    assert found.said["carbon_tracker"]["inferences"] == count, found
    assert note in found.notes, found.notes


def test_a_limit_for_a_whole_holds_for_all_its_pieces(framework: Framework) -> None:
    text = "Count cars in pictures of 4096 x 4096 pixels on an NVIDIA L4, at most 100 ms per image"
    found = answer(framework, text)
    assert found.latency_s * found.said["ml_model_provider"]["inferences_each"] <= 0.1


def test_a_forecast_counts_series(framework: Framework) -> None:
    text = "Forecast hourly production for the next 48 hours for 200 solar parks in Spain"
    found = answer(framework, text, "time series")
    assert found.said["carbon_tracker"]["inferences"] == 200
    assert "horizon:172800" in found.requirements
    assert found.said["app_requirements"]["not_understood"] == []


def test_the_first_token_is_no_whole_answer(framework: Framework) -> None:
    text = "Code completion assistant, below 500 ms for the first token, on an L40S"
    found = answer(framework, text, "text")
    assert found.latency_s > 0.5, "the whole answer may take longer"
    assert "max_first_token:0.5" in found.requirements
    assert "the first token comes after" in found.notes


def test_a_microcontroller_keeps_a_mean_power_by_waiting(framework: Framework) -> None:
    text = "Detect falls with an accelerometer on a Nordic nRF52840, less than 5 mW"
    found = answer(framework, text, "time series")
    assert not found.refusal and found.power_w > 0.005
    assert "taken for a mean" in found.notes


def test_what_listens_keeps_up_where_it_can(framework: Framework) -> None:
    text = "Identify bird species from recordings on a Raspberry Pi Zero 2 W"
    assert answer(framework, text, "audio").model == "google/yamnet"


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("detect cats in photos 1 3", ["1 3"]),
        ("Count cars with a Jetson Orin Nano 8 GB", []),
        ("Classify photos on an RTX 3060", []),
    ],
)
def test_stray_numbers_are_listed(framework: Framework, text: str, lost: list[str]) -> None:
    found = answer(framework, text)
    assert found.said["app_requirements"]["not_understood"] == lost


@pytest.mark.parametrize(
    ("text", "modality", "task", "notes"),
    [
        ("Answer callers in English: recognise speech, look up an answer, speak it, on an L4",
         "audio", "text-generation", ["the first, automatic-speech", "the third, text-to-speech"]),
        ("Control a robot arm from camera pictures and a spoken command", "multimodal",
         "robotics", ["the first, automatic-speech-recognition"]),
    ],
)  # fmt: skip
def test_every_part_gets_a_model(
    framework: Framework, text: str, modality: str, task: str, notes: list[str]
) -> None:
    found = answer(framework, text, modality)
    assert found.task == task
    assert all(note in found.notes for note in notes), found.notes


@pytest.mark.parametrize(
    ("text", "modality", "task"),
    [
        ("Cuenta las aceitunas en fotos tomadas con el móvil", "image", "object-detection"),
        ("Track the pose of athletes in 4K video at 60 fps on an RTX 4090", "video",
         "keypoint-detection"),
        ("Predict the length of hospital stay in days from admission data", "tabular",
         "tabular-regression"),
        ("Name the language of short text messages", "text", "text-classification"),
        ("Ein Assistent, der Fragen zu unseren Bauvorschriften auf Deutsch beantwortet", "text",
         "text-generation"),
        ("Find the passages in our 12,000 reports that answer a question, in German", "text",
         "sentence-similarity"),
    ],
)  # fmt: skip
def test_what_is_wanted_decides_between_tasks(
    framework: Framework, text: str, modality: str, task: str
) -> None:
    assert answer(framework, text, modality).task == task


def test_a_model_of_two_moods_is_not_ready_for_three(framework: Framework) -> None:
    found = answer(framework, "Classify English reviews as positive, neutral or negative", "text")
    assert "needs fine-tuning" in found.notes or "nlptown" in found.model


def test_what_a_sensor_measures_is_no_wish(framework: Framework) -> None:
    text = "Estimate how many people are in a room from CO2 and temperature sensors"
    assert "energy:low" not in answer(framework, text, "time series").requirements


def test_a_recogniser_of_names_says_that_others_are_to_be_taught(framework: Framework) -> None:
    text = "Extract company names, amounts and dates from English contracts"
    assert "needs fine-tuning on your own data for others" in answer(framework, text, "text").notes
