"""Writes the state machines of docs/architecture.md from the tables in the code.

``python scripts/state_diagrams.py`` rewrites the document; ``--check`` only says (0 or 1) whether
it agrees with the code.
"""

import sys
from collections.abc import Mapping
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"
#: Title of each machine, and where its table stands.
MACHINES = {
    "task": ("sustainml_orchestrator.core.states", "TASK_MOVES"),
    "step": ("sustainml_orchestrator.core.states", "STEP_MOVES"),
    "recovery of a node in error": ("sustainml_orchestrator.core.states", "RECOVERY_MOVES"),
    "recovery ladder": ("sustainml_orchestrator.core.states", "LADDER_MOVES"),
    "module node": ("sustainml_orchestrator.sdk.transitions", "TRANSITIONS"),
}
#: Commands of front-ends to nodes: what each means in each state.
COMMANDS = {"node command": ("sustainml_orchestrator.core.states", "NODE_COMMANDS")}


def table_of(place: tuple[str, str]) -> Mapping[tuple[Enum, Enum], Enum]:
    """The table of a machine."""
    module, name = place
    table: Mapping[tuple[Enum, Enum], Enum] = getattr(import_module(module), name)
    return table


def diagram(table: Mapping[tuple[Enum, Enum], Enum]) -> list[str]:
    """A state diagram in Mermaid; moves between the same two states share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (start, move), end in table.items():
        arrows.setdefault((start.name, end.name), []).append(_label(move))
    first = next(iter(table))[0].name
    lines = [f"    {a} --> {b}: {', '.join(moves)}" for (a, b), moves in arrows.items()]
    return ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}", *lines, "```"]


def grid(table: Mapping[tuple[Enum, Enum], Enum]) -> list[str]:
    """A Markdown table: a row per state, a column per move, "–" where the move is illegal."""
    states = list(dict.fromkeys(start for start, _ in table))
    states += [end for end in dict.fromkeys(table.values()) if type(end) is type(states[0])]
    states = list(dict.fromkeys(states))
    moves = list(dict.fromkeys(move for _, move in table))
    head = f"| | {' | '.join(map(_label, moves))} |"
    rows = [
        f"| {state.name} | {' | '.join(_cell(table.get((state, move))) for move in moves)} |"
        for state in states
    ]
    return [head, "|---" * (len(moves) + 1) + "|", *rows]


def _label(move: Enum) -> str:
    return move.value if isinstance(move.value, str) else move.name.lower().replace("_", " ")


def _cell(end: Enum | None) -> str:
    return "–" if end is None else end.name


def generated() -> dict[str, list[str]]:
    """The generated parts of the document, by name."""
    parts: dict[str, list[str]] = {}
    for name, place in MACHINES.items():
        table = table_of(place)
        parts[name] = [*diagram(table), "", *grid(table)]
    for name, place in COMMANDS.items():
        parts[name] = grid(table_of(place))
    return parts


def with_parts(text: str, parts: Mapping[str, list[str]]) -> str:
    """The document with each part between its two markers.

    Raises:
        ValueError: a part has no markers.
    """
    for name, lines in parts.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"{DOCUMENT.name} has no markers for '{name}'")
        text = "".join((before, begin, "\n".join(lines), "\n", end, after))
    return text


def main(arguments: list[Any]) -> int:
    """Write the document, or check it; the exit code."""
    text = DOCUMENT.read_text(encoding="utf-8")
    wanted = with_parts(text, generated())
    if "--check" in arguments:
        return 0 if text == wanted else 1
    DOCUMENT.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
