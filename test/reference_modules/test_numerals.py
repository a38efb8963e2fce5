"""Numbers written as words are read as digits are."""

import time

import pytest

from sustainml_orchestrator.reference_modules.text.numerals import in_digits


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("two hundred milliseconds", "200 milliseconds"),
        ("half a gigabyte of RAM", "0.5 gigabyte of RAM"),
        ("Half-second limit", "0.5 second limit"),
        ("at most a quarter of a second", "at most 0.25 second"),
        ("one and a half seconds", "1.5 seconds"),
        ("half a million letters", "0.5 million letters"),
        ("a million pictures", "1 million pictures"),
        ("one thousand two hundred and fifty letters a day", "1250 letters a day"),
        ("twenty-five frames per second", "25 frames per second"),
        ("less than a second", "less than 1 second"),
        ("ten watts", "10 watts"),
        ("five cents per query", "5 cents per query"),
        ("zweihundertfünfzig Millisekunden", "250 Millisekunden"),
        ("höchstens dreißig Sekunden", "höchstens 30 Sekunden"),
        ("doscientos milisegundos", "200 milisegundos"),
        ("quatre-vingt-dix images par seconde", "90 images par seconde"),
        ("une demi-seconde", "0.5 seconde"),
        ("cinquecento documenti al giorno", "500 documenti al giorno"),
    ],
)
def test_numbers_in_words_become_digits(words: str, digits: str) -> None:
    assert in_digits(f"Answer: {words}, please") == f"Answer: {digits}, please"


@pytest.mark.parametrize(
    "text",
    [
        "one of four types",
        "two-stage: first detect, then read",
        "a second camera",
        "98 per cent",
        "once a day",
        "hundreds of pictures",
        "a Raspberry Pi Zero 2 W with two cameras",
        "",
    ],
)
def test_words_that_count_nothing_stay(text: str) -> None:
    assert in_digits(text) == text


@pytest.mark.parametrize("piece", ["hundert", "zwei ", "é", "half a ", "hundred and ", "undzig "])
def test_long_texts_are_read_in_bounded_time(piece: str) -> None:
    started = time.process_time()
    in_digits(piece * (20_000 // len(piece)))
    assert time.process_time() - started < 1.0
