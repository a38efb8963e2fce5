"""Metrics from diagnostics, which any node may publish."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from prometheus_client import CollectorRegistry, generate_latest

from sustainml_orchestrator.rest.metrics import DiagnosticsCollector


def metrics(**parts: DiagnosticStatus) -> list[str]:
    """The lines of /metrics for these parts of the diagnostics."""
    source: Any = SimpleNamespace(parts={k.replace("_", " "): v for k, v in parts.items()})
    registry = CollectorRegistry()
    registry.register(DiagnosticsCollector(source))
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


def status(*values: tuple[str, str], level: bytes = DiagnosticStatus.OK) -> DiagnosticStatus:
    return DiagnosticStatus(level=level, values=[KeyValue(key=k, value=v) for k, v in values])


def test_figures_have_the_units_of_their_names() -> None:
    journal = status(("commits", "7"), ("free space (MiB)", "2"), ("size (B)", "4096"),
                     ("write-ahead log (B)", "0"), level=DiagnosticStatus.ERROR)  # fmt: skip
    assert set(metrics(journal=journal, queues=status(("oldest waits (s)", "1.5")))) == {
        "sustainml_journal_commits_total 7.0", "sustainml_journal_free_bytes 2.097152e+06",
        "sustainml_journal_size_bytes 4096.0", "sustainml_journal_log_bytes 0.0",
        "sustainml_journal_writable 0.0", "sustainml_oldest_wait_seconds 1.5",
    }  # fmt: skip


def test_values_that_are_no_numbers_are_left_out() -> None:
    queues = status(("oldest waits (s)", "long"), ("pending calls", "3"), ("pending calls", "4"))
    dropped = status(('a"b\n', "2"), ("unknown", "many"))
    assert metrics(queues=queues, dropped_messages=dropped) == [
        "sustainml_pending_calls 4.0",
        r'sustainml_dropped_messages_total{reason="a\"b\n"} 2.0',
    ]


def test_without_an_orchestrator_there_are_none() -> None:
    assert metrics() == metrics(journal=status()) == []
