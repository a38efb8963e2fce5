"""When the diagnostics of the journal say that it is time to look."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from sustainml_orchestrator.node.diagnostics import Diagnostics
from sustainml_orchestrator.node.persistence import DiskSpace

MIB = 2**20


@pytest.mark.parametrize(
    ("space", "failed", "level", "text"),
    [
        ((900 * MIB, 4096, 0), "", DiagnosticStatus.OK, "is written"),
        ((400 * MIB, 4096, 0), "", DiagnosticStatus.WARN, "journal /data/j.db has 400 MiB left;"),
        ((0, 4096, 0), "", DiagnosticStatus.ERROR, "journal /data/j.db has 0 MiB left; make room"),
        ((900 * MIB, 4096, 100 * MIB), "", DiagnosticStatus.WARN, "has grown to 100 MiB; end"),
        ((0, 4096, 100 * MIB), "the disk is full", DiagnosticStatus.ERROR, "the disk is full"),
    ],
)
def test_time_to_look(space: tuple[int, int, int], failed: str, level: bytes, text: str) -> None:
    persistence = SimpleNamespace(enabled=True, settled=7, failed=failed)
    core: Any = SimpleNamespace(persistence=persistence)
    node: Any = SimpleNamespace(
        get_fully_qualified_name=lambda: "/x/orchestrator", get_namespace=lambda: "/x",
        create_publisher=lambda *_: None,
    )  # fmt: skip
    calls: Any = None
    made = Diagnostics(node, core, Counter(), calls, lambda: DiskSpace(*space, "/data/j.db"))
    found, message, values = made._journal()
    assert found == level and text in message
    assert values["size (B)"] == 4096 and values["write-ahead log (B)"] == space[2]
