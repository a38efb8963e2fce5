"""Ports of Fast DDS whose reader has died while others send to them."""

from __future__ import annotations

import fcntl
import mmap
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.system import wait_for
from support.up_process import Up

from sustainml_orchestrator.contract import dead_ports
from sustainml_orchestrator.contract.dead_ports import DeadPorts


def test_all_modules_are_found_by_the_successor_of_a_stopped_and_killed_orchestrator() -> None:
    up = Up()
    try:
        up.wait_for_line(": ready")
        threading.Thread(target=up.read_on, daemon=True).start()
        for stopped in (3.0, 5.0):
            orchestrator = up.leader("orchestrator")
            assert orchestrator is not None
            orchestrator.suspend()
            time.sleep(stopped)  # senders find after 1 s that it does not read
            seen = len(up.lines)
            orchestrator.kill()
            wait_for(lambda n=seen: any(": ready" in line for line in up.lines[n:]), 25.0)
        up.process.send_signal(signal.SIGTERM)
        up.process.wait(20)
    finally:
        for process in up.family():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue


@pytest.fixture
def folder() -> Iterator[Path]:
    """On the file system that Fast DDS uses: elsewhere /proc may name another device."""
    path = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield path
    shutil.rmtree(path)


def is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def mapped(path: Path) -> mmap.mmap:
    path.write_bytes(b"x")
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)


@pytest.mark.parametrize("prefix", ["fastrtps", "fastdds"])
def test_a_port_is_reserved_while_it_is_mapped_and_nobody_reads_it(
    folder: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports, killed, read, nameless = DeadPorts(folder), *(f"{prefix}_port{n}" for n in (1, 3, 5))
    (folder / f"{killed}_el").touch()
    lock = os.open(folder / f"{read}_el", os.O_CREAT | os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / f"{prefix}_port7").touch()
    kept = [mapped(folder / name) for name in (killed, read, nameless)]
    (folder / nameless).unlink()

    ports.reserve_after_death()
    locks = {path.name for path in folder.glob("*_el") if is_locked(path)}
    assert locks == {f"{name}_el" for name in (killed, read, nameless)}

    monkeypatch.setattr(dead_ports, "_LEASE", -1.0)  # nobody sends to it any more
    ports.close()
    ports.reserve()
    ports._release(ports._mapped())
    locks = {path.name for path in folder.glob("*_el") if is_locked(path)}
    assert locks == {f"{name}_el" for name in (read, nameless)}
    assert {killed, read} <= {path.name for path in folder.iterdir()}  # as others have them mapped

    for mapping in kept:
        mapping.close()
    ports.reserve()
    assert {path.name for path in folder.glob("*_el")} == {f"{read}_el"}
    os.close(lock)


def test_without_a_killed_reader_no_process_is_looked_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeadPorts, "reserve", lambda _: pytest.fail("looked at"))
    with mapped(folder / "fastrtps_port1"):
        DeadPorts(folder).reserve_after_death()
