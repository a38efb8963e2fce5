"""docs/history.md has every event."""

from pathlib import Path

from sustainml_orchestrator.core.happenings import HAPPENINGS

_DOCUMENT = Path(__file__).parents[2] / "docs" / "history.md"


def test_every_event_is_described() -> None:
    text = _DOCUMENT.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{name}` | {known.meaning} | {known.severity.upper()} |"
        for name, known in HAPPENINGS.items()
    ]
