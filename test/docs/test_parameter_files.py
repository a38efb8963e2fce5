"""The files about parameters are those that the tables in the code give."""

from pathlib import Path

import parameter_files
import pytest


@pytest.mark.parametrize("path", parameter_files.generated(), ids=lambda path: path.name)
def test_each_is_up_to_date(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == parameter_files.generated()[path], "run: make parameters"
