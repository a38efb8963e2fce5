"""A step of the set-up is made again when what it is made from has changed, and only then."""

import os
from pathlib import Path

import pytest
from stamp import Stamp, digest


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file from which something is made."""
    file = tmp_path / "Task.msg"
    file.write_text("uint32 problem_id\n")
    return file


def test_a_touched_file_is_the_same(source: Path) -> None:
    before = digest(["jazzy"], [source])
    os.utime(source, (1, 1))
    assert digest(["jazzy"], [source]) == before


def test_content_name_and_words_count(source: Path) -> None:
    prints = {digest(["jazzy"], [source]), digest(["kilted"], [source])}
    renamed = source.rename(source.with_name("Job.msg"))
    prints.add(digest(["jazzy"], [renamed]))
    renamed.write_text("uint64 problem_id\n")
    prints.add(digest(["jazzy"], [renamed]))
    assert len(prints) == 4


def test_what_was_interrupted_is_not_whole(tmp_path: Path) -> None:
    stamp = Stamp(tmp_path / ".made", "old")
    stamp.press()
    changed = Stamp(tmp_path / ".made", "new")
    assert stamp.fresh
    assert changed.whole
    assert not changed.fresh
    changed.lift()
    assert not changed.whole
