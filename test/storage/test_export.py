"""Journal → text → journal loses nothing; check, compact and the command line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.histories import AUTO, NAMES, Driver, contents
from typer.testing import CliRunner

from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.core.ids import TaskCommand, TaskId
from sustainml_orchestrator.storage import (
    Journal,
    JournalError,
    check,
    compact,
    export,
    import_lines,
)

Opened = Callable[..., Journal]


@pytest.fixture
def driver(opened: Opened) -> Driver:
    """A journal in use, with tasks in every state."""
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.bring_up()
    first = driver.submit("first \N{SNOWMAN}\n", request_id="a")
    driver.solve(first)
    driver.solve(driver.submit("again", first, goal=AUTO))
    driver.fail(driver.submit("bad"), 0)
    driver.work(driver.submit("half"), 1, bytes(range(256)), model="m", carbon=1e-9)
    driver.command(driver.submit("gone"), TaskCommand.TERMINATE)
    return driver


def exported(path: Path) -> list[str]:
    text = io.StringIO()
    count = export(path, text)
    lines = text.getvalue().splitlines()
    assert len(lines) == count
    return lines


def test_nothing_is_lost(path: Path, driver: Driver) -> None:
    lines = exported(path)  # while it is in use
    other = path.with_name("other.db")
    assert import_lines(other, lines) == len(lines)
    journal = Journal.open(other, pipeline_names=NAMES)
    after = Driver.restored(journal)
    assert contents(after.core) == contents(driver.core)
    assert after.core.store.revision > driver.core.store.revision
    journal.close()
    again = [json.loads(line) for line in exported(other)]
    revisions = {(d["problem_id"], d["iteration_id"]): d for d in map(json.loads, lines)}
    for data in again:  # the running one was touched by the restart, not saved
        assert data == revisions[data["problem_id"], data["iteration_id"]]


def test_a_second_import_is_refused(path: Path, driver: Driver, opened: Opened) -> None:
    lines = exported(path)
    with pytest.raises(JournalError, match="in use by another"):
        import_lines(path, lines)
    driver.journal.close()
    with pytest.raises(JournalError, match="problem 1 is in the journal already"):
        import_lines(path, lines)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": 9}, "its format is 9"),
        ({"status": 77}, "line 1: "),
        ({"revision": 2**70}, "revision is .* out of range"),
        ({"problem_id": -1}, "problem_id is -1"),
        ({"goal": "[1]"}, "line 1: "),
        ({"user_input": "%%%"}, "line 1: "),
        ({"steps": {"words": [1]}}, "line 1: steps"),
        ({"quality": "good"}, "quality is 'good', which is no real"),
        ({"iteration_id": 3}, "iteration 1/2 is missing"),
    ],
)
def test_a_line_that_makes_no_sense_changes_nothing(
    path: Path, driver: Driver, change: dict[str, object], complaint: str
) -> None:
    data = json.loads(exported(path)[0]) | change
    other = path.with_name("other.db")
    with pytest.raises(JournalError, match=complaint):
        import_lines(other, [json.dumps(data)])
    for text in ("{", "[]", "null", '{"format": 1}'):
        with pytest.raises(JournalError, match=r"line 1(: | is no iteration of an export)"):
            import_lines(other, [text])
    assert not other.exists()


def test_check_and_compact(path: Path, driver: Driver) -> None:
    report = check(path)
    assert report.findings == []
    assert report.iterations == sum(map(len, driver.core.store.problems.values()))
    with pytest.raises(JournalError, match="in use by another"):
        compact(path)
    for _ in range(50):
        driver.solve(driver.submit("x" * 5000, TaskId(1, 1)))
    for task_id in list(driver.core.tasks.running):
        driver.command(task_id, TaskCommand.TERMINATE)
    for problem in (1, 3):
        driver.delete(problem)
    driver.journal.close()
    before, after = compact(path)
    assert after < before / 2
    assert check(path).findings == []
    with path.open("r+b") as file:
        file.seek(-3000, 2)
        file.write(b"\xff" * 3000)
    assert check(path).findings
    with pytest.raises(JournalError, match="is damaged"):
        compact(path)
    with path.open("r+b") as file:
        file.write(bytes(100))
    assert check(path).findings == ["its header is destroyed"]
    with pytest.raises(JournalError, match="there is no journal"):
        check(path.with_name("none.db"))


def test_the_command_line(path: Path, driver: Driver) -> None:
    file, other = path.with_name("all.jsonl"), path.with_name("other.db")

    def run(*args: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, list(map(str, args)))
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    assert "iterations written to" in run("export", file, "--journal", path)
    assert run("export", "-", "-j", path).count('{"format": 2') == len(exported(path))
    assert "iterations imported into" in run("import", file, "-j", other)
    assert "is in the journal already" in run("import", file, "-j", other, code=1)
    assert "problems" in run("journal", "check", "-j", other)
    assert "MiB after" in run("journal", "compact", "-j", other)
    assert "there is no journal" in run("journal", "check", "-j", "/nowhere/x.db", code=1)
    assert "cannot be used" in run("import", "/nowhere.jsonl", "-j", other, code=1)


def test_an_export_replaces_no_journal(path: Path, driver: Driver, tmp_path: Path) -> None:
    """Neither the one that is read, nor a file of another that is kept at its place."""
    copy, link, loop = tmp_path / "copy.db", tmp_path / "link", tmp_path / "loop"
    link.symlink_to(path)
    loop.symlink_to("loop")
    assert CliRunner().invoke(app, ["journal", "backup", str(copy), "-j", str(path)]).exit_code == 0
    files = {file: file.read_bytes() for file in path.parent.iterdir() if file != loop}
    for source in (path, copy):
        for target in (path, link, f"{path}-wal", f"{path}.lock", source, loop):
            result = CliRunner().invoke(app, ["export", str(target), "-j", str(source)])
            assert result.exit_code == 1 and "name another" in result.output, result.output
    assert {file: file.read_bytes() for file in path.parent.iterdir() if file != loop} == files
    assert loop.is_symlink() and link.is_symlink()
