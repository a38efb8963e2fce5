"""Any single message between orchestrator and modules may be lost: the task ends all the same."""

from __future__ import annotations

import re
from pathlib import Path

from support.lossy_module import LOSSES, ROUND
from support.system import System, check_task
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.core.ids import TaskStatus


def test_no_single_message_is_needed(tmp_path: Path) -> None:
    patience = {"ack_timeout": 0.5}
    with System(tmp_path, script="lossy_module", timeout=20.0, parameters=patience) as system:
        client = system.client
        texts = [f"lossy {number}" for number in range(1, ROUND + 1)]
        ids = [client.start_task(UserInput(problem_definition=text)) for text in texts]
        assert [task_id.problem_id for task_id in ids] == list(range(1, ROUND + 1))
        for text, task_id in zip(texts, ids, strict=True):
            summary = client.wait_for_task(task_id, 30.0).summary
            assert summary.task_status == TaskStatus.SUCCEEDED, summary.error_description
            check_task(text, client.get_task(task_id, include_binary=True))
        lost = {found[1] for _, line in system.lines if (found := re.search("(lost: .*)", line))}
    each = sum(map(len, LOSSES))
    assert len(lost) == each * ROUND // len(LOSSES), sorted(lost)
