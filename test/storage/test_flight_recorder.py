"""The recording beside a journal: bounded, private, and no worse for a torn or damaged end."""

from __future__ import annotations

from pathlib import Path

import pytest

from sustainml_orchestrator.storage.flight_recorder import FlightRecorder, older, read

HEAD = {"format": 1, "exact": True}


def recorded(path: Path, blocks: int, limit: int = 2**20) -> None:
    recorder = FlightRecorder(path, limit)
    recorder.begin(HEAD, [])
    for number in range(blocks):
        recorder.add([[float(number), number, "TimePassed", [], [], number]] * 10)
    recorder.close(10.0)
    assert recorder.trouble == ""


def test_it_can_be_read_by_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.flight"
    recorded(path, 3)
    head, records = read(path)
    assert head == HEAD and [record[1] for record in records] == [0] * 10 + [1] * 10 + [2] * 10
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_begins_beside_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.flight"
    for blocks in (1, 2, 3):
        recorded(path, blocks)
    assert len(list(read(path)[1])) == 30 and len(list(read(older(path))[1])) == 20
    assert len(list(tmp_path.iterdir())) == 2


def test_one_that_is_full_asks_for_another(tmp_path: Path) -> None:
    recorder = FlightRecorder(tmp_path / "journal.flight", 2000)
    recorder.begin(HEAD, [])
    assert not recorder.is_full
    for number in range(100):
        recorder.add([[float(number), number * 7919, "TimePassed", [], [], number]])
    recorder.close(10.0)
    assert recorder.is_full


@pytest.mark.parametrize("harm", ["cut", "flipped", "rubbish", "bomb"])
def test_what_is_before_the_damage_can_be_read(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "journal.flight"
    recorded(path, 5)
    data = bytearray(path.read_bytes())
    if harm == "cut":
        del data[-3:]
    elif harm == "flipped":
        data[-3] ^= 1
    else:
        data += b"\xff" * 50 if harm == "rubbish" else b"\0" * 8
    path.write_bytes(data)
    whole = 50 if harm in ("rubbish", "bomb") else 40
    assert len(list(read(path)[1])) == whole


@pytest.mark.parametrize("content", [b"", b"SMLREC1\n", b"a text file", b"SMLREC1\n" + b"\0" * 99])
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no recording"):
        read(path)


def test_a_disk_that_takes_nothing_ends_nothing(tmp_path: Path) -> None:
    recorder = FlightRecorder(tmp_path / "missing" / "journal.flight", 2**20)
    recorder.begin(HEAD, [])
    recorder.add([[1.0, 1, "TimePassed", [], [], 1]])
    recorder.close(10.0)
    assert "cannot be written" in recorder.trouble
