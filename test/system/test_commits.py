"""What comes together is kept together, before anyone hears of it."""

from __future__ import annotations

import signal
import struct
from pathlib import Path

from support.puppet import Framework
from support.system import wait_for
from sustainml_msgs import msg

from sustainml_orchestrator.storage import check

TASKS = 60


def commits(journal: Path) -> int:
    """Transactions in the log of a journal, which has not grown so far that it is used again."""
    log = journal.with_name(f"{journal.name}-wal").read_bytes()
    (page_size,) = struct.unpack_from(">I", log, 8)
    frames = range(32, len(log), 24 + page_size)
    return sum(struct.unpack_from(">I", log, at + 4) != (0,) for at in frames)


def test_requests_that_come_together_share_commits(tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    parameters = {"journal_path": str(journal), "journal_durability": "full"}
    with Framework(tmp_path, "commits", **parameters) as framework:
        before = commits(journal)
        framework.process.send_signal(signal.SIGSTOP)
        asked = [
            framework.puppet.send("start_task", user_input=msg.UserInput(problem_definition="one"))
            for _ in range(TASKS)
        ]
        framework.process.send_signal(signal.SIGCONT)
        wait_for(lambda: all(future.done() for future in asked))
        made = commits(journal) - before
        framework.process.kill()
        framework.process.wait()
        answers = [future.result() for future in asked]
    assert all(answer.success for answer in answers)
    assert len({answer.task_id.problem_id for answer in answers}) == TASKS
    report = check(journal)
    assert (report.findings, report.iterations) == ([], TASKS)
    assert made <= TASKS / 3
