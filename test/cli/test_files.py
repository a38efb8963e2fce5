"""What commands say of files that are not what they should be, and of - as a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.histories import AUTO, NAMES, Driver
from typer.testing import CliRunner, Result

from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.storage import Journal
from sustainml_orchestrator.storage.lock import Lock


def run(*words: str, given: bytes = b"") -> Result:
    return CliRunner().invoke(app, list(words), input=given)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal with tasks, not in use."""
    path = tmp_path / "a.db"
    opened = Journal.open(path, pipeline_names=NAMES)
    driver = Driver(opened.session, opened)
    driver.bring_up()
    driver.solve(driver.submit("first", goal=AUTO))
    opened.close()
    return path


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("journal check -j FOLDER", "FOLDER is no file; name another with --journal"),
        ("journal check -j TEXT", "TEXT is not a journal; name another with --journal"),
        ("journal backup FOLDER -j JOURNAL",
         "JOURNAL cannot be copied to FOLDER: Is a directory; name another file"),
        ("journal restore TEXT -j JOURNAL", "TEXT is not a journal; name another with --journal"),
        ("replay FOLDER/none",
         "FOLDER/none cannot be read as a recording: No such file or directory; "
         "name DATABASE.flight"),
        ("report --open FOLDER", "FOLDER cannot be used: Is a directory; name another file"),
        ("export FOLDER/none/x -j JOURNAL",
         "FOLDER/none/x cannot be used: No such file or directory; name another file"),
        ("catalogue add FOLDER/none",
         "catalogue file FOLDER/none cannot be read: No such file or directory"),
        ("pipeline check FOLDER/bytes",
         "FOLDER/bytes: cannot be read (it is no UTF-8 text); correct it, or name another"),
        ("import FOLDER/bytes -j JOURNAL",
         "FOLDER/bytes cannot be used: it is no UTF-8 text; name another file"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used(words: str, answer: str, tmp_path: Path, journal: Path) -> None:
    names = {"FOLDER": tmp_path / "folder", "TEXT": tmp_path / "text", "JOURNAL": journal}
    names["FOLDER"].mkdir()
    names["TEXT"].write_text("a,b")
    (names["FOLDER"] / "bytes").write_bytes(b"\xff\xfe\x00")
    for name, path in names.items():
        words, answer = words.replace(name, str(path)), answer.replace(name, str(path))
    done = run(*words.split())
    assert done.exit_code == 1 and not done.stdout
    said = done.stderr.removeprefix("error: ").removeprefix("INVALID_REQUEST: ")
    assert said == f"{answer.replace('DATABASE', 'JOURNAL')}\n"


def test_a_journal_in_use_is_named_with_what_the_command_line_has(journal: Path) -> None:
    lock = Lock(journal)
    done = run("journal", "compact", "-j", str(journal))
    lock.close()
    assert "end it (`sustainml down`), or name another with --journal" in done.stderr
    assert "journal_path" not in done.stderr


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("a,b\n1,2\n", "line 1 is no iteration of an export; name a file that `sustainml export`"),
        ("\n5\n", "line 2 is no iteration of an export"),
        ('{"format": 2}', "line 1: has no 'steps'"),
    ],
)
def test_an_import_that_fails_leaves_nothing(text: str, cause: str, tmp_path: Path) -> None:
    done = run("import", "-", "-j", str(tmp_path / "new.db"), given=text.encode())
    assert done.exit_code == 1 and cause in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_import_that_fails_leaves_a_journal_as_it_is(tmp_path: Path, journal: Path) -> None:
    assert run("import", "-", "-j", str(journal), given=b"5").exit_code == 1
    assert run("journal", "check", "-j", str(journal)).exit_code == 0


def test_a_backup_by_way_of_a_pipe(tmp_path: Path, journal: Path) -> None:
    copy, other = tmp_path / "copy.db", tmp_path / "other.db"
    assert run("journal", "backup", str(copy), "-j", str(journal)).exit_code == 0
    done = run("journal", "restore", "-", "-j", str(other), given=copy.read_bytes())
    assert done.exit_code == 0 and done.stdout == f"standard input was restored as {other}\n"
    assert "1 problems, " in run("journal", "check", "-j", str(other)).stdout


@pytest.mark.parametrize(
    ("words", "answer"),
    [("replay -", "standard input cannot be read as a recording"),
     ("report --open -", "standard input cannot be read as a report"),
     ("journal restore - -j JOURNAL", "standard input is not a journal")],
)  # fmt: skip
def test_standard_input_is_named_in_errors(words: str, answer: str, journal: Path) -> None:
    done = run(*words.replace("JOURNAL", str(journal)).split(), given=b"a,b")
    assert done.exit_code == 1 and answer in done.stderr
