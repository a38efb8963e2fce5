"""One bad sector, or two pages swapped: a start always succeeds and says what is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.histories import AUTO, NAMES, Driver

from sustainml_orchestrator.core.events import NodeCommanded
from sustainml_orchestrator.core.ids import NodeCommand, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.storage import Journal, JournalError, check, files, schema

SECTOR, PAGE = 512, 4096
Shown = dict[TaskId, tuple[TaskStatus, bytes, tuple[bytes | None, ...]]]


def shown(driver: Driver) -> Shown:
    """All tasks, and what was delivered for them."""
    return {
        task.task_id: (task.status, task.user_input, tuple(task.outputs))
        for problem in driver.core.store.problems.values()
        for task in problem
    }


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], Shown]:
    """The files of a journal with tasks in every state as a crash leaves them, and these tasks."""
    path = tmp_path_factory.mktemp("made") / "journal.db"
    for round_ in range(2):  # the first in the database, the second in its log
        journal = Journal.open(path, pipeline_names=NAMES)
        driver = Driver.restored(journal)
        driver.bring_up()
        driver.solve(first := driver.submit(f"first {round_}" * 50, request_id=f"r{round_}"))
        driver.solve(driver.submit("again", first, goal=AUTO))
        driver.fail(driver.submit("bad"), 0)
        driver.work(driver.submit("half"), 1, bytes(range(256)) * 40, model="m", carbon=1e-9)
        driver.command(driver.submit("gone"), TaskCommand.TERMINATE)
        driver.delete(driver.submit("deleted").problem_id - 1)
        driver.do(NodeCommanded(1, "limits", NodeCommand.STOP, 5.0))
        content = {p.name: p.read_bytes() for p in path.parent.glob("journal.db*")}
        tasks = shown(driver)
        journal.close()
    content.pop("journal.db.bak", None)
    content.pop("journal.db-shm")
    return content, tasks


def zeroed(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        if any(data[at : at + size]):
            yield data[:at] + bytes(size) + data[at + size :]


def swapped(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data) - size, size):
        one, other = data[at : at + size], data[at + size : at + 2 * size]
        yield data[:at] + other + one + data[at + 2 * size :]


@pytest.mark.parametrize(
    ("name", "harm", "size"),
    [
        ("journal.db", zeroed, SECTOR),
        ("journal.db", zeroed, PAGE),
        ("journal.db", swapped, schema.PAGE_SIZE),
        ("journal.db-wal", zeroed, PAGE),
        ("journal.db.lock", zeroed, SECTOR),
    ],
)
def test_a_start_survives_and_says_what_is_lost(
    tmp_path: Path, filled: tuple[dict[str, bytes], Shown], name: str, harm: object, size: int
) -> None:
    content, tasks = filled
    path = tmp_path / "journal.db"
    damaged = 0
    for data in harm(content[name], size):  # type: ignore[operator]
        for file in tmp_path.iterdir():
            file.unlink()
        for other, whole in content.items():
            files.beside(tmp_path / other, "").write_bytes(data if other == name else whole)
        try:
            findings = check(path).findings
        except JournalError:
            findings = ["no journal"]
        journal = Journal.open(path, pipeline_names=NAMES)
        warnings = [warning for warning in journal.warnings if "was damaged" in warning]
        assert bool(warnings) == bool(findings), (findings, journal.warnings)
        driver = Driver.restored(journal)
        found = shown(driver)
        changed = {task_id for task_id in tasks if found.get(task_id) != tasks[task_id]}
        assert not changed or journal.warnings, f"lost or changed in silence: {changed}"
        for task_id, (status, _, outputs) in found.items():
            if status is TaskStatus.SUCCEEDED:
                assert (found[task_id][1:]) == tasks[task_id][1:], f"{task_id} is wrong"
            elif task_id in tasks:
                own = tasks[task_id][2]
                assert all(o is None or o == w for o, w in zip(outputs, own, strict=True))
        driver.bring_up()
        driver.do(NodeCommanded(2, "limits", NodeCommand.START, 5.0))
        driver.solve(driver.submit("it goes on"))
        journal.close()
        assert check(path).findings == []
        damaged += bool(warnings)
    assert damaged or name != "journal.db"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE life SET session = 'x'", "UPDATE life SET modules = 7", "DELETE FROM life",
        "UPDATE modules SET name = 7 WHERE number = 1",
        "UPDATE modules SET number = 5000 WHERE number = 1",
        "UPDATE modules SET crc = NULL", "DELETE FROM modules WHERE number = 1",
        "DELETE FROM modules",
        "UPDATE iterations SET steps = 'x'", "UPDATE iterations SET request_id = 5",
        "UPDATE iterations SET attempt = 'x'", "UPDATE iterations SET instances = x'ff'",
        "UPDATE iterations SET serial = serial + 9223372036854770000 WHERE serial = 1",
        "UPDATE user_inputs SET payload = NULL", "UPDATE user_inputs SET crc = 'x'",
        "UPDATE outputs SET payload = 5", "UPDATE outputs SET attempt = 1.5",
        "UPDATE deliveries SET record = NULL", "UPDATE deliveries SET record = 'text'",
        "DROP TABLE outputs", "DROP TABLE deliveries",
        "PRAGMA user_version = 0",
    ],
)  # fmt: skip
def test_a_value_of_a_wrong_type_is_damage_of_its_row(
    tmp_path: Path, filled: tuple[dict[str, bytes], Shown], change: str
) -> None:
    content, tasks = filled
    path = tmp_path / "journal.db"
    for name, whole in content.items():
        (tmp_path / name).write_bytes(whole)
    schema.connect(path).close()  # moves the log into the database
    connection = schema.connect(path)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_schema SET sql = replace(replace(sql, ' NOT NULL', ''), ') STRICT', ')')"
    )
    connection.close()
    connection = schema.connect(path)
    connection.execute(change)
    connection.close()
    findings = check(path).findings
    journal = Journal.open(path, pipeline_names=NAMES)
    assert any("was damaged" in warning for warning in journal.warnings) == bool(findings)
    assert findings
    driver = Driver.restored(journal)
    for task_id, (status, user_input, outputs) in shown(driver).items():
        if status is TaskStatus.SUCCEEDED:
            assert (user_input, outputs) == tasks[task_id][1:]
    driver.bring_up()
    driver.submit("it goes on")
    journal.close()
    assert check(path).findings == []
