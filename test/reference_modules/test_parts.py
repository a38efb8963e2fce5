"""Problems of two parts are told from those of one."""

import pytest

from sustainml_orchestrator.reference_modules.text.parts import two_parts


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("Detect the cells and then segment each of them in microscope images",
         "detect the cells", "segment the cells in microscope images"),
        ("Detect-then-segment: find the apples in photos, then outline each",
         "find the apples in photos", "outline the apples"),
        ("Transcribe and summarise calls of patients",
         "transcribe calls of patients", "summarise calls of patients"),
        ("Detect licence plates and read them", "detect licence plates", "read licence plates"),
        ("OCR the receipts and sort them into kinds of expense",
         "ocr the receipts", "sort the receipts into kinds of expense"),
        ("Translate the letters from Polish, then rate their mood",
         "translate the letters from polish", "rate their mood"),
        ("First detect the plate, then read its characters.",
         "first detect the plate", " read its characters."),
    ],
)  # fmt: skip
def test_both_parts_can_be_understood_alone(text: str, first: str, second: str) -> None:
    assert two_parts(text) == (first, second)


@pytest.mark.parametrize(
    "text",
    [
        "Detect and count cars in photos",
        "Detect and classify defects on boards",
        "Find and locate ships",
        "Classify reviews and messages of customers",
        "Forecast the demand of the next day and of the next week",
        "",
    ],
)
def test_one_part_stays_one(text: str) -> None:
    assert two_parts(text) is None
