"""The state machines in docs/architecture.md are those of the code."""

import state_diagrams


def test_the_document_shows_the_tables_of_the_code() -> None:
    text = state_diagrams.DOCUMENT.read_text(encoding="utf-8")
    assert text == state_diagrams.with_parts(text, state_diagrams.generated()), "run: make states"


def test_every_move_is_shown() -> None:
    for place in state_diagrams.MACHINES.values():
        table = state_diagrams.table_of(place)
        shown = "\n".join(state_diagrams.diagram(table))
        for start, _ in table:
            assert start.name in shown
