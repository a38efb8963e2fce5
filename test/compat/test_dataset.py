"""Profiles of local data sets: what is told of each form, and that nothing blocks or breaks it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sustainml_orchestrator.compat.dataset import DatasetError, profile


def test_columns_have_types_ranges_and_gaps(tmp_path: Path) -> None:
    file = tmp_path / "Titanic survivors_1912.csv"
    rows = [f"{i},{'male' if i % 2 else 'female'},{i / 2},{i % 2 == 0},id {i}" for i in range(50)]
    header = "\ufeffage,sex,fare,survived,name"
    file.write_text("\n".join([header, *rows, ",,NA,false,"]), encoding="utf-8")
    found = profile(f"file://{file.as_posix().replace(' ', '%20')}")
    assert found["keywords"] == ["age", "sex", "fare", "survived", "name"]
    assert found["topic"] == "Titanic survivors"
    assert "51 rows and 5 columns" in found["description"]
    for said in ("age (integer, 0 to 49, 1 missing)", "sex (category, ", "fare (number, 0 to 24.5",
                 "survived (boolean, ", "name (text, 1 missing)"):  # fmt: skip
        assert said in found["profile"]


@pytest.mark.parametrize("target", ["yes no yes no yes no", "1 0 1 1 0 0"])
def test_a_last_column_of_few_values_is_a_class(tmp_path: Path, target: str) -> None:
    file = tmp_path / "x.tsv"
    file.write_text("a\tlabel\n" + "".join(f"{i}\t{v}\n" for i, v in enumerate(target.split())))
    assert profile(str(file))["applications"] == ["tabular-classification"]


def test_json_in_its_forms(tmp_path: Path) -> None:
    rows = [{"text": "a long sentence of many words here", "n": i} for i in range(4)]
    for name, text in (
        ("a.json", json.dumps(rows)),
        ("b.jsonl", "\n".join(map(json.dumps, rows))),
        ("c.json", json.dumps({"data": rows})),
    ):
        (tmp_path / name).write_text(text)
        found = profile(str(tmp_path / name))
        assert "4 rows and 2 columns" in found["description"], name
        assert found["keywords"] == ["text", "n"]


def test_folders_texts_and_pictures(tmp_path: Path) -> None:
    for kind in ("cats", "dogs"):
        (tmp_path / kind).mkdir()
        for number in range(3):
            (tmp_path / kind / f"{number}.jpg").write_bytes(b"\xff\xd8\0")
    (tmp_path / "read.txt").write_text("one two three")
    found = profile(str(tmp_path))
    assert "7 files (6 .jpg, 1 .txt)" in found["profile"]
    assert found["keywords"] == ["cats", "dogs"]
    assert found["applications"][0] == "image-classification"
    assert "3 words" in profile(str(tmp_path / "read.txt"))["description"]
    assert profile(str(tmp_path / "cats" / "0.jpg"))["keywords"] == ["image"]


def test_a_folder_is_described_in_the_time_that_there_is(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number}.jpg").touch()
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing")
    assert "with 300 files (300 .jpg)" in profile(str(tmp_path))["description"]
    assert "with at least 0 files" in profile(str(tmp_path), 0.0)["description"]


TABLES = {
    "header alone": (b"a,b,c\n", "0 rows and 3 columns", "a (empty)"),
    "no header": (b"1,2.5\n3,4\n5,6\n", "3 rows and 2 columns", "column 1 (integer, 1 to 5)"),
    "one row": (b"a\n7\n", "1 row and 1 column,", "a (integer, 7 to 7)"),
    "wide": (b",".join(b"c%d" % n for n in range(300)) + b"\n1\n", "300 columns", "and 100 more"),
    "a long field": (b"a,b\n" + b"x" * 200_000 + b",1\n", "1 row and 2 columns", "b (integer"),
    "decimal commas": (b"price;n\n1,5;3\n2,7;4\n", "2 rows", "price (number, 1.5 to 2.7)"),
    "dates": (b"when,v\n2024-01-31,1\n2024-02-01T10:00,2\n", "2 rows", "when (date)"),
    "Latin-1": ("na\u00efve,v\n\u00e4,1\n".encode("latin-1"), "1 row", "na\u00efve (text)"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "1 row and 2 columns", "a (integer, 1 to 1)"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_many_hands(tmp_path: Path, name: str) -> None:
    octets, described, detailed = TABLES[name]
    file = tmp_path / "table.csv"
    file.write_bytes(octets)
    found = profile(str(file))
    assert described in found["description"] and detailed in found["profile"]


def test_what_is_no_text_is_binary(tmp_path: Path) -> None:
    file = tmp_path / "x.dat"
    file.write_bytes(bytes(range(1, 256)))
    assert "a binary file" in profile(str(file))["description"]
    file.write_text("one\ntwo\n")
    assert "2 words in 2 lines" in profile(str(file))["description"]
    (tmp_path / "empty").mkdir()
    assert profile(str(tmp_path / "empty"))["description"] == "empty: folder with 0 files, 0 B"


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("", "/no/such", "/dev/zero", str(tmp_path / "pipe"), "a\0b", "x" * 5000):
        with pytest.raises(DatasetError):
            profile(path)


@pytest.mark.parametrize("sign", ",;\t|")
def test_separators(tmp_path: Path, sign: str) -> None:
    file = tmp_path / "table.csv"
    file.write_text(f'name{sign}"a b, c"{sign}x\n"one\ntwo"{sign}2{sign}"1; 2"\n3{sign}4{sign}5\n')
    assert profile(str(file))["keywords"] == ["name", "a b, c", "x"]


@pytest.mark.timeout(30)  # `csv.Sniffer` took a minute, in which no other thread went on
@pytest.mark.parametrize("line", ['"\n', '"', '","\n', '"a\n;', "',\n", "\n", ",", '"",\n'])
def test_no_content_takes_long(tmp_path: Path, line: str) -> None:
    file = tmp_path / "quotes.csv"
    file.write_text(line * (2**20 // len(line)))
    assert profile(str(file))["description"].startswith("quotes.csv: CSV table")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["csv", "json", "jsonl", "txt", "tsv", ""]))
def test_any_file_gives_a_profile(tmp_path: Path, octets: bytes, suffix: str) -> None:
    file = tmp_path / f"any.{suffix}"
    file.write_bytes(octets)
    found = profile(str(file))
    assert json.dumps(found) and set(found) == {
        "description", "topic", "profile", "keywords", "applications",
    }  # fmt: skip
