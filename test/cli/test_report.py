"""`sustainml report`: what it asks for, and archives that come from anywhere."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from sustainml_msgs.msg import NodeState, SystemState, Task, TaskId, TaskSummary
from typer.testing import CliRunner, Result

from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.cli.reporting import archive
from sustainml_orchestrator.cli.reporting.collection import Collection
from sustainml_orchestrator.client import OrchestratorUnavailable, RequestTimeout
from sustainml_orchestrator.core.ids import ErrorCode, TaskStatus

ABOUT = json.dumps({"format": 1, "created": 0, "namespace": "/x", "missing": []}).encode()


def opened(path: Path, *words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["report", "--open", str(path), *words])
    assert result.exit_code == code, f"{result.output} {result.exception!r}"
    return result


def test_tasks_of_the_journal_have_states_in_words(tmp_path: Path) -> None:
    path = tmp_path / "r.tar.gz"
    stored = json.dumps({"stored": {"status": int(TaskStatus.SUCCEEDED), "model": "resnet"}})
    path.write_bytes(archive.pack({"report.json": ABOUT, "tasks/7-1.json": stored.encode()}, 0.0))
    assert "7/1   SUCCEEDED" in opened(path).stdout


def members(path: Path, *infos: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for info, content in infos:
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return path


def test_nothing_is_written_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    monkeypatch.chdir(folder)
    link = tarfile.TarInfo("logs/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device = tarfile.TarInfo("logs/device")
    device.type = tarfile.CHRTYPE
    path = members(
        folder / "r.tar.gz",
        (tarfile.TarInfo("report.json"), ABOUT),
        (tarfile.TarInfo("../outside"), b"x"),
        (tarfile.TarInfo(str(tmp_path / "absolute")), b"x"),
        (link, b""),
        (device, b""),
    )
    opened(path)
    data = json.loads(opened(path, "--json").stdout)
    assert "logs/link" not in data["files"] and "logs/device" not in data["files"]
    assert [each.name for each in tmp_path.rglob("*")] == ["deep", "r.tar.gz"]


@pytest.mark.parametrize("name", ["doctor.json", "nodes.json", "tasks/1-1.json", "versions.json",
                                  "report.json", "logs/up.log"])  # fmt: skip
@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"[" * 100_000, b"7", b'"\\u001b[2J"', b"null", b"[[{}]]",
     b'{"findings": [7, {"level": 8}], "environment": {"\\u202e": []}, "created": 1e300,'
     b' "missing": [[]], "task": 1, "summary": 2, "stored": {"status": {}}, "namespace": []}',
     b"[ERROR] \x1b]0;x\x07 \xe2\x80\xae\n" * 3, b'{"created": ' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_whatever_a_file_holds(tmp_path: Path, name: str, content: bytes) -> None:
    entries = {"report.json": ABOUT, "nodes.json": b'[{"node_name": "\\u001b[31m"}]'}
    path = tmp_path / "r.tar.gz"
    path.write_bytes(archive.pack({**entries, name: content}, 0.0))
    result = CliRunner().invoke(app, ["report", "--open", str(path)])
    assert result.exit_code == 0 or "is no report" in result.output
    assert not {"\x1b", "\x07", "\u202e"} & set(result.output)
    assert "Traceback" not in result.output and "internal error" not in result.output
    CliRunner().invoke(app, ["report", "--open", str(path), "--json"])


def bomb(size: int) -> bytes:
    """A header that claims `size` bytes, and that many zeros."""
    info = tarfile.TarInfo("report.json")
    info.size = size
    return info.tobuf() + b"\0" * size


@pytest.mark.parametrize(
    "content",
    [b"", b"no tar", b"\0" * 10240, bomb(archive.MAX_FILE + 512), tarfile.TarInfo("x").tobuf()[:99],
     bytes(range(256)) * 40],
)  # fmt: skip
@pytest.mark.parametrize("packed", [True, False])
def test_what_is_no_archive(tmp_path: Path, content: bytes, packed: bool) -> None:
    path = tmp_path / "r.tar.gz"
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    text = opened(path, code=1).output
    assert (
        "INVALID_REQUEST" in text
        and "Traceback" not in text
        and str(path) in text.replace("\n", "")
    )


def test_a_bomb_ends_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the headers, which a reader takes into memory whole."""
    monkeypatch.setattr(archive, "MAX_CONTENT", 2**20)
    for kind in (tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        info = tarfile.TarInfo("x")
        info.type, info.size = kind, 2**24
        path = tmp_path / "r.tar.gz"
        path.write_bytes(gzip.compress(info.tobuf() + b"\0" * 2**24, 1))
        assert "more than 1 MiB" in opened(path, code=1).output


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_FILES", 3)
    path = members(tmp_path / "r", *((tarfile.TarInfo(str(n)), b"") for n in range(4)))
    assert "more than 3 files" in opened(path, code=1).output


def test_what_is_not_there(tmp_path: Path) -> None:
    assert "No such file" in opened(tmp_path / "none", code=1).output
    assert "cannot be used" in opened(tmp_path, code=1).output
    words = ["report", "1/1", "--open", str(tmp_path)]
    assert CliRunner().invoke(app, words).exit_code == 2


# What is asked for #


class Answers:
    """A client; the named calls, such as ``get_task 2``, are not answered."""

    def __init__(self, *lost: str, error: type[Exception] = RequestTimeout) -> None:
        self._lost, self._error, self.asked = lost, error, 0

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **_: Any) -> Any:
            self.asked += 1
            if f"{name} {args[0][0] if args else ''}".strip() in self._lost:
                raise self._error(ErrorCode.TIMEOUT, f"{name} was not answered in time")
            ids = [TaskId(problem_id=n, iteration_id=1) for n in (1, 2, 3)]
            summaries = [TaskSummary(task_id=task_id) for task_id in ids]
            return {
                "get_node_status": [NodeState(node_name="m")], "system_state": SystemState(),
                "get_parameters": {"journal_path": "none"}, "get_history": [{"event": "x"}],
                "list_tasks": (summaries, 3),
                "get_task": Task(summary=summaries[args[0][0] - 1]) if name == "get_task" else None,
            }[name]  # fmt: skip

        return call


def collected(client: Any) -> Collection:
    made = Collection()
    made._states(client)
    made.untold = made._tasks(client, None)  # type: ignore[attr-defined]
    return made


def test_a_call_that_is_not_answered_costs_its_part_alone() -> None:
    whole = set(collected(Answers()).entries)
    assert {f"tasks/{n}-1.json" for n in (1, 2, 3)} < whole
    for lost, left_out in (("get_node_status", {"nodes.json"}), ("get_history", {"history.json"}),
                           ("system_state", {"system_state.json"})):  # fmt: skip
        made = collected(Answers(lost))
        assert whole - set(made.entries) == left_out
        assert [text for text in made.missing if "was not answered in time" in text]
    made = collected(Answers("get_task 2", "get_history 3"))
    assert whole == set(made.entries) and made.untold == {(2, 1)}  # type: ignore[attr-defined]
    tasks = {n: json.loads(made.entries[f"tasks/{n}-1.json"]) for n in (1, 2, 3)}
    assert {n: sorted(each) for n, each in tasks.items()} == {
        1: ["events", "task"], 2: ["events"], 3: ["task"],
    }  # fmt: skip
    assert [text.partition(":")[0] for text in made.missing] == ["the task 2/1",
                                                                 "the history of 3/1"]  # fmt: skip


def test_an_orchestrator_that_answers_nothing_is_not_asked_for_ever() -> None:
    names = ("get_node_status", "system_state", "get_parameters", "get_history")
    client = Answers(*names)
    with pytest.raises(RequestTimeout):
        collected(client)
    assert client.asked == 3
    client = Answers(*names, error=OrchestratorUnavailable)
    with pytest.raises(OrchestratorUnavailable):
        collected(client)
    assert client.asked == 1
