"""Credentials never reach the disk; tasks that need them say so after a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.histories import AUTO, Driver

from sustainml_orchestrator.core.ids import ErrorCode, TaskStatus
from sustainml_orchestrator.storage import Journal

Opened = Callable[..., Journal]
SECRET = b"hf_secret_token"


def redact(name: str, payload: bytes) -> bytes:
    """Stands for the one that knows the messages."""
    return payload.replace(SECRET, b"")


def bytes_on_disk(path: Path) -> bytes:
    """All that the journal wrote."""
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def test_they_are_not_on_disk(path: Path, opened: Opened) -> None:
    journal = opened(redact=redact)
    driver = Driver(journal.session, journal)
    driver.bring_up()
    task_id = driver.submit(f"solve {SECRET.decode()}", description="solve")
    driver.work(task_id, 0, b"out of " + SECRET)
    assert SECRET in driver.core.store.get(task_id).outputs[0]
    assert SECRET in driver.core.store.get(task_id).user_input
    assert b"solve" in bytes_on_disk(path)
    assert SECRET not in bytes_on_disk(path)
    journal.close()
    assert SECRET not in bytes_on_disk(path)


def test_a_task_that_needs_them_fails_with_a_sentence(opened: Opened) -> None:
    journal = opened(redact=redact)
    before = Driver(journal.session, journal)
    before.bring_up()
    secret = SECRET.decode()
    needs = before.submit(secret, goal=AUTO)
    plain = before.submit("plain")
    no_longer = before.submit(secret)
    waiting = before.submit(secret)
    before.work(no_longer, 0)
    before.work(no_longer, 1)
    solved = before.submit(secret, priority=9)
    before.solve(plain)
    for _ in range(2):  # the flag outlives more than one restart
        after = Driver.restored(opened(redact=redact))
        find = after.core.store.get
        for task_id in (needs, waiting):
            assert find(task_id).status is TaskStatus.ERROR
            assert find(task_id).error_code == ErrorCode.INVALID_REQUEST
            assert "credentials were not kept" in find(task_id).error_description
            assert "submit it again" in find(task_id).outcome_reason
        assert find(plain).status is TaskStatus.SUCCEEDED
        assert find(no_longer).status is TaskStatus.RUNNING
        assert find(solved).user_input == b""
    after.bring_up()
    after.work(no_longer, 2)
    assert find(no_longer).status is TaskStatus.SUCCEEDED
