"""What processes leave in /dev/shm: nothing, and what dead ones left is removed."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sustainml_orchestrator.contract import shared_memory

#: A private /dev/shm.
_PRIVATE = "mount -t tmpfs tmpfs /dev/shm"
#: Made by a tracing library for all processes of a user, also by those that end in order.
_LISTED = "ls /dev/shm | grep -v lttng || true"


def privately(script: str, timeout: float = 90.0) -> str:
    """Run a script of the shell in a mount namespace of its own; what it writes."""
    command = ["unshare", "--mount", "sh", "-ec", f"{_PRIVATE}\n{script}"]
    environment = {**os.environ, "PYTHON": sys.executable}
    shell = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = shell.communicate(timeout=timeout)
    finally:
        with suppress(ProcessLookupError):  # every process of the script has ended
            os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, errors
    return output


def is_permitted() -> bool:
    command = ["unshare", "--mount", "sh", "-c", _PRIVATE]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


permitted = pytest.mark.skipif(not is_permitted(), reason="mount namespaces are not permitted")


#: Somebody has a profile, which leaves the transports as they are by default.
SHARED = """theirs=$(mktemp)
    echo '<dds xmlns="http://www.eprosima.com"><profiles>
        <participant profile_name="theirs"><rtps/></participant>
    </profiles></dds>' > $theirs
    export FASTRTPS_DEFAULT_PROFILES_FILE=$theirs FASTDDS_DEFAULT_PROFILES_FILE=$theirs"""

#: Starts a node, sends it a signal once it takes part in DDS, and expects an orderly end.
NODE = """
import os, signal, subprocess, sys, time
from sustainml_orchestrator.contract import domain
module, number = sys.argv[1:]
before = domain.participants(domain.current())
command = [sys.executable, "-m", f"sustainml_orchestrator.{module}"]
node = subprocess.Popen([*command, "--ros-args", "-r", f"__ns:=/shm_{os.getpid()}"])
deadline = time.monotonic() + 30
while domain.participants(domain.current()) == before:
    assert time.monotonic() < deadline and node.poll() is None
    time.sleep(0.02)
time.sleep(0.5)
print("used" if any(name.startswith("fast") for name in os.listdir("/dev/shm")) else "unused")
node.send_signal(getattr(signal, number))
assert node.wait(10) == 0
"""


@permitted
@pytest.mark.parametrize("module", ["node.orchestrator_node", "reference_modules.app_requirements"])
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_node_that_is_told_to_end_leaves_nothing(module: str, number: str) -> None:
    script = f"{SHARED}\n$PYTHON -c '{NODE}' {module} {number}\n{_LISTED}"
    assert privately(script) == "used\n"


@permitted
@pytest.mark.parametrize("module", ["node.orchestrator_node", "reference_modules.app_requirements"])
@pytest.mark.parametrize("reach", ["LOCALHOST", "SUBNET"])
def test_a_node_uses_no_shared_memory(module: str, reach: str) -> None:
    script = f"export ROS_AUTOMATIC_DISCOVERY_RANGE={reach}\n$PYTHON -c '{NODE}' {module} SIGTERM"
    assert privately(script) == "unused\n"


@permitted
def test_a_system_with_its_page_leaves_nothing() -> None:
    script = f"""
        $PYTHON -m sustainml_orchestrator.cli --namespace /shm_{os.getpid()} \\
            up --journal none > log 2>&1 & up=$!
        for look in $(seq 300); do grep -q '] ready' log && break; sleep 0.1; done
        grep '] ready' log > /dev/null || {{ cat log >&2; exit 1; }}
        {_LISTED}
        kill -TERM $up; wait $up || {{ cat log >&2; exit 2; }}
        {_LISTED}"""
    assert privately(f"cd $(mktemp -d)\n{script}") == ""


@permitted
def test_what_killed_nodes_left_is_removed_by_the_next() -> None:
    script = f"""
        node="$PYTHON -m sustainml_orchestrator.reference_modules.hw_resources --ros-args -r"
        {SHARED}
        $node __ns:=/shm_{os.getpid()} & first=$!
        until ls /dev/shm | grep -q 'port.*_el'; do sleep 0.1; done
        kill -KILL $first; wait $first || true
        ls /dev/shm | grep -q ^fast
        touch -d '-1 minute' /dev/shm/*_el
        $node nonsense || true
        {_LISTED}"""
    assert privately(script) == ""


# The rules, on files that look like those of Fast DDS #

#: No participant has such numbers.
PORTS = (1, 99999)


@pytest.fixture(params=["fastrtps", "fastdds"])
def prefix(request: pytest.FixtureRequest) -> str:
    """Of the files of Fast DDS 2 and 3."""
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str) -> Iterator[Path]:
    """Instead of /dev/shm; but mutexes are real ones."""
    monkeypatch.setattr(shared_memory, "_FOLDER", tmp_path)
    yield tmp_path
    for number in PORTS:
        Path(f"/dev/shm/sem.{prefix}_port{number}_mutex").unlink(missing_ok=True)


def make(folder: Path, *names: str, age: float = 60.0) -> None:
    for name in names:
        path = folder / name
        path.write_bytes(b"x")
        old = path.stat().st_mtime - age
        os.utime(path, (old, old))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_living_processes_own_is_left_alone(folder: Path, prefix: str) -> None:
    dead = (f"{prefix}_0123456789abcdef", f"{prefix}_0123456789abcdef_el")
    port = (f"{prefix}_port99999", f"{prefix}_port99999_sl", f"sem.{prefix}_port99999_mutex")
    alive = (f"{prefix}_fedcba9876543210", f"{prefix}_fedcba9876543210_el")
    others = (f"{prefix}_", "x_el", f"{prefix}_0123_el", "psm_a", f"{prefix}_port1_elx")
    make(folder, *dead, *port, *alive, *others)
    make(folder, f"{prefix}_aaaaaaaaaaaaaaaa_el", age=0.0)  # perhaps not locked yet
    code = (
        "import fcntl, sys; file = open(sys.argv[1], 'rb'); fcntl.flock(file, fcntl.LOCK_EX);"
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder / alive[1])],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as owner:  # fmt: skip
        assert owner.stdout is not None and owner.stdout.readline()
        shared_memory.remove_leftovers()
        assert names(folder) == {*alive, *others, f"{prefix}_aaaaaaaaaaaaaaaa_el"}
        owner.kill()
    shared_memory.remove_leftovers()
    assert names(folder) == {*others, f"{prefix}_aaaaaaaaaaaaaaaa_el"}


def test_a_folder_that_is_not_there_is_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_memory, "_FOLDER", folder / "missing")
    shared_memory.remove_leftovers()


def test_a_port_that_is_being_opened_stays(folder: Path, prefix: str) -> None:
    """The process that opens it holds the mutex, but has not locked the port yet."""
    files = {f"{prefix}_port1", f"{prefix}_port1_el"}
    make(folder, *files)
    with (folder / f"{prefix}_port1_el").open("rb") as lock:
        with shared_memory._mutex(f"{prefix}_port1") as is_ours:
            assert is_ours
            cleaner = threading.Thread(target=shared_memory.remove_leftovers)
            cleaner.start()
            cleaner.join(0.4)
            assert cleaner.is_alive() and names(folder) == files
            fcntl.flock(lock, fcntl.LOCK_EX)
        cleaner.join()
        assert names(folder) == files


def test_the_mutex_of_a_dead_process_keeps_no_port(folder: Path, prefix: str) -> None:
    """Which was killed while it opened the port."""
    make(folder, f"{prefix}_port1", f"{prefix}_port1_el")
    with shared_memory._mutex(f"{prefix}_port1"):
        shared_memory.remove_leftovers()
    assert names(folder) == set()
