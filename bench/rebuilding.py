"""Reads a journal in a fresh process, and tells how long it took in s.

python -m bench.rebuilding ours|bare journal.db iterations
"""

from __future__ import annotations

import sqlite3
import sys
import time
from pathlib import Path

from sustainml_orchestrator.contract.module_graph import read_pipeline
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.node.requests import derive_user_input
from sustainml_orchestrator.storage import Journal, records


def ours(path: Path) -> tuple[float, int]:
    """Open the journal and fill a core: seconds, and how many iterations it holds."""
    pipeline = read_pipeline("")
    began = time.perf_counter()
    journal = Journal.open(path, pipeline_names=tuple(pipeline.by_name))
    core = Orchestrator(
        pipeline=pipeline,
        settings=Settings(),
        session=journal.session,
        draw_token=lambda: 1,
        derive=derive_user_input,
    )
    core.handle(journal.restored(), Instant(time.monotonic(), time.time_ns()))
    took = time.perf_counter() - began
    return took, sum(map(len, core.store.problems.values()))


def bare(path: Path) -> tuple[float, int]:
    """Read every row of the three tables, and keep none."""
    began = time.perf_counter()
    connection = sqlite3.connect(path)
    queries = (records.get_iterations(connection), records.GET_INPUTS, records.GET_OUTPUTS)
    counts = [sum(1 for _ in connection.execute(query)) for query in queries]
    connection.close()
    return time.perf_counter() - began, counts[0]


if __name__ == "__main__":
    seconds, found = {"ours": ours, "bare": bare}[sys.argv[1]](Path(sys.argv[2]))
    if found != int(sys.argv[3]):
        sys.exit(f"{found} iterations instead of {sys.argv[3]}")
    print(seconds)
