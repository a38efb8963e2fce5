"""Hostile files: whatever is in them, the answer is a result or a sentence that names the file."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.budget import examples
from support.histories import NAMES, Driver

from sustainml_orchestrator.contract.exit_codes import PERMANENT
from sustainml_orchestrator.contract.module_graph import read_pipeline
from sustainml_orchestrator.core.pipeline import Pipeline, PipelineError
from sustainml_orchestrator.storage import Journal, JournalError
from sustainml_orchestrator.storage.export import export, import_lines
from sustainml_orchestrator.storage.maintenance import check

PIPELINE = Path(__file__).parents[2] / "config" / "pipeline.yaml"
_ODD = (
    "[" * 5000, "{a: " * 5000, "&a [*a]", "modules: &m {a: *m}", "2001-99-99", "? [1]\n: 2", "\0",
    "!!python/object/apply:os.system [ls]", "9" * 5000, "0x", "1:99:99", "%YAML 9.9\n---\n", "\t",
    "modules: {a: {inputs: [user_input], output_type: MLModel, timeout: .nan}}", "*unknown",
    "modules: {2001-01-01: {}}", "modules: {null: {}}", "modules: {a: null}", "---\n---\n", "<<: 1",
    "modules: {a: {inputs: [user_input], output_type: MLModel, max_tries: 1e9}}", "\ud7ff", "---",
    "modules: {a: {<<: [], inputs: [user_input], output_type: __main__/msg/X}}", "!!binary x", "=",
    "modules: {a: {inputs: [user_input], output_type: std_msgs/msg/Header}}", "!!timestamp x",
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=9) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


def one_sentence(error: Exception, name: str) -> None:
    """What a user can read."""
    text = str(error)
    assert name in text and "\n" not in text and len(text) < 3000, text


# Pipelines #


@st.composite
def pipelines(draw: Callable[..., Any]) -> str:
    """The one that comes with the package, with something else in a place or two."""
    data = yaml.safe_load(PIPELINE.read_text())
    for _ in range(draw(st.integers(1, 2))):
        where = draw(st.sampled_from(list(data["modules"]) or [""]))
        spec = data["modules"].get(where)
        if isinstance(spec, dict) and spec and draw(st.booleans()):
            spec[draw(st.sampled_from([*spec, "other"]))] = draw(values)
        else:
            data["modules"][draw(st.sampled_from([where, "other", 7]))] = draw(values)
    return yaml.safe_dump(data, allow_unicode=draw(st.booleans()))


@examples(100)
@given(st.sampled_from(_ODD) | st.text(max_size=60) | pipelines() | st.binary(max_size=60))
def test_any_pipeline_file_is_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str | bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "pipeline.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    try:
        pipeline = read_pipeline(str(file))
    except PipelineError as error:
        one_sentence(error, file.name)
    else:
        assert isinstance(pipeline, Pipeline) and pipeline.modules


# Journals #


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a journal with a few tasks, as a crash leaves them."""
    path = tmp_path_factory.mktemp("made") / "journal.db"
    opened = Journal.open(path, pipeline_names=NAMES)
    driver = Driver(opened.session, opened)
    driver.bring_up()
    for number in range(3):
        driver.solve(driver.submit(f"early {number}"))
    opened.close()
    opened = Journal.open(path, pipeline_names=NAMES)
    driver = Driver.restored(opened)
    driver.bring_up()
    for number in range(3):
        driver.solve(driver.submit(f"late {number}"))
    files = {p.name: p.read_bytes() for p in path.parent.glob("journal.db*")}
    opened.close()
    del files["journal.db.bak"]  # what it holds would hide what is lost
    assert set(files) == {"journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock"}
    return files


spots = st.tuples(
    st.floats(0, 1) | st.floats(0, 0.02),  # where, as share of the file; its header often
    st.sampled_from(["flip", "cut", "zero", "noise", "repeat"]),
    st.binary(min_size=1, max_size=64),
)


def hurt(data: bytes, at: float, how: str, noise: bytes) -> bytes:
    """The same file, damaged at a place."""
    i = min(int(at * len(data)), max(0, len(data) - 1))
    return {
        "flip": lambda: data[:i] + bytes([data[i] ^ (noise[0] or 1)]) + data[i + 1 :],
        "cut": lambda: data[:i],
        "zero": lambda: data[:i] + bytes(len(noise) * 32) + data[i + len(noise) * 32 :],
        "noise": lambda: data[:i] + noise + data[i + len(noise) :],
        "repeat": lambda: data + data[i:],
    }[how]()


@examples(150)
@given(st.lists(spots, min_size=1, max_size=3), st.sampled_from(["journal.db", "journal.db-wal"]))
def test_any_journal_is_read_recovered_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    journal: dict[str, bytes],
    damage: list[tuple[float, str, bytes]],
    victim: str,
) -> None:
    folder = tmp_path_factory.getbasetemp() / "hurt"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    files = dict(journal)
    for at, how, noise in damage:
        if files[victim]:
            files[victim] = hurt(files[victim], at, how, noise)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    path = folder / "journal.db"
    shutil.copytree(folder, looked_at := folder.with_name("looked_at"), dirs_exist_ok=True)
    look_at(looked_at / "journal.db")
    try:
        opened = Journal.open(path, pipeline_names=NAMES)
    except JournalError as error:
        one_sentence(error, path.name)
        return
    try:
        for warning in opened.warnings:
            assert "\n" not in warning
        driver = Driver.restored(opened)
        driver.bring_up()
        texts = [it.description for p in driver.core.store.problems.values() for it in p]
        known = {f"{when} {i}" for when in ("early", "late") for i in range(3)}
        lost = known - set(texts)
        assert not lost or opened.warnings, f"lost in silence: {lost}"
        assert set(texts) <= known | {""}, "invented"
        driver.solve(driver.submit("it goes on"))
    finally:
        opened.close()


def look_at(path: Path) -> None:
    """What the command line does with a journal: it says what is wrong with it."""
    for command in (lambda: check(path).findings, lambda: [str(export(path, io.StringIO()))]):
        try:
            assert not any("\n" in finding for finding in command())
        except JournalError as error:
            one_sentence(error, path.name)


@examples(60)
@given(
    st.sampled_from(["format", "steps", "outputs", "user_input", "status", "problem_id", "attempt",
                     "iteration_id", "carbon", "goal", "base_problem_id", "created", "revision"]),
    values | st.integers(0, 2**64),
)  # fmt: skip
def test_any_line_is_imported_or_refused(
    tmp_path_factory: pytest.TempPathFactory, journal: dict[str, bytes], key: str, value: object
) -> None:
    folder = tmp_path_factory.getbasetemp() / "lines"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in journal.items():
        (folder / name).write_bytes(data)
    lines = folder / "all.jsonl"
    with lines.open("w") as target:
        export(folder / "journal.db", target)
    every = [json.loads(line) for line in lines.read_text().splitlines()]
    every[1][key] = value
    fresh = folder / "fresh.db"
    try:
        count = import_lines(fresh, map(json.dumps, every))
    except JournalError as error:
        one_sentence(error, "line 2" if "line" in str(error) else fresh.name)
        count = 0
    opened = Journal.open(fresh, pipeline_names=NAMES)
    try:
        restored = Driver.restored(opened).core.store.problems
    finally:
        opened.close()
    assert sum(map(len, restored.values())) == count, "all or none"
    assert count in (0, len(every))


@pytest.mark.parametrize("line", ["[" * 100_000, "null", "[]", '"x"', "{}", "\0", "9" * 9999])
def test_what_is_no_line_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(JournalError, match=r"line 1 is no iteration .*nothing was imported"):
        import_lines(tmp_path / "fresh.db", [line])


# The process #


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-p", "max_active_tasks:=many"], "max_active_tasks"),
        (["-p", "heartbeat_timeout:=.nan"], "heartbeat_timeout"),
        (["-p", "heartbeat_timeout:=.inf"], "heartbeat_timeout"),
        (["-p", "journal_durability:=maybe"], "parameter journal_durability is 'maybe'"),
        (["-p", "journal_path:={folder}"], "is no file"),
        (["-p", "journal_path:={folder}/file/j.db"], "cannot be used"),
        (["-r", "__ns:=/no such space"], "no such space"),
        (["--params-file", "{folder}/file"], "{folder}/file"),
        (["--params-file", "{folder}/none"], "{folder}/none"),
        (["-p", "nonsense"], "nonsense"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_start_says_why(tmp_path: Path, words: list[str], text: str) -> None:
    (tmp_path / "file").write_text("a: [")
    given = [word.format(folder=tmp_path) for word in words]
    command = [
        sys.executable,
        "-m",
        "sustainml_orchestrator.node.orchestrator_node",
        "--ros-args",
        *given,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode in PERMANENT, ended.stderr
    assert "Traceback" not in ended.stderr
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("orchestrator: ") and text.format(folder=tmp_path) in last


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("newer", "was written by a newer version (schema 99"),
        ("locked", "is in use by another orchestrator (process {process} on "),
        ("foreign", "is a database of another program"),
    ],
)
def test_a_journal_that_cannot_be_used_says_why(tmp_path: Path, what: str, text: str) -> None:
    path = tmp_path / "journal.db"
    held = Journal.open(path, pipeline_names=NAMES)
    if what != "locked":
        held.close()
        if what == "foreign":
            for file in tmp_path.iterdir():  # nothing says that there was one of ours
                file.unlink()
        statement = {"newer": "PRAGMA user_version = 99", "foreign": "CREATE TABLE birds (name)"}
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(statement[what])
            connection.commit()
    command = [sys.executable, "-m", "sustainml_orchestrator.node.orchestrator_node", "--ros-args"]
    command += ["-p", f"journal_path:={path}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    held.close()
    assert ended.returncode in PERMANENT, ended.stderr
    (line,) = ended.stderr.strip().splitlines()
    assert (
        line.startswith("orchestrator: ") and f"{path} {text.format(process=os.getpid())}" in line
    ), line
