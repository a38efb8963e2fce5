"""Draws a module graph: as text, for Graphviz, for Mermaid."""

from __future__ import annotations

from sustainml_orchestrator.core.pipeline import USER_INPUT, ModuleSpec, Pipeline


def as_text(pipeline: Pipeline) -> list[tuple[str, str]]:
    """One row per node: the lines from its inputs, and its name.

    Each output has a lane, from the row of its module down to its last consumer.
    """
    last: dict[str, int] = {}
    for row, spec in enumerate(pipeline.modules, 1):
        last.update(dict.fromkeys(spec.inputs, row))
    lanes: list[str] = []
    rows = [(_place(lanes, USER_INPUT, (), last, 0), USER_INPUT)]
    for row, spec in enumerate(pipeline.modules, 1):
        rows.append((_place(lanes, spec.name, spec.inputs, last, row), spec.name))
    width = max(len(lines) for lines, _ in rows)
    return [(lines.ljust(width), name) for lines, name in rows]


def _place(
    lanes: list[str], name: str, inputs: tuple[str, ...], last: dict[str, int], row: int
) -> str:
    """Draw a row and update the lanes; "" is a free lane."""
    own = next(
        (i for i in range(len(lanes)) if not lanes[i] and _is_right_of(i, lanes, inputs)), -1
    )
    if own < 0:
        lanes.append("")
        own = len(lanes) - 1
    first = min((i for i, lane in enumerate(lanes) if lane in inputs), default=own)
    drawn = ""
    for i, lane in enumerate(lanes):
        ends = bool(lane) and last.get(lane, 0) <= row
        if i == own:
            drawn += "●"
        elif lane and lane in inputs:
            left, right = first < i, i < own
            drawn += _JOINT[left, right, not ends]
        elif first < i < own:
            drawn += "│" if lane else "─"  # it is crossed, not joined
        else:
            drawn += "│" if lane else " "
        drawn += "─" if first <= i < own else " "
    for i, lane in enumerate(lanes):
        if lane and last.get(lane, 0) <= row:
            lanes[i] = ""
    lanes[own] = name if last.get(name, 0) > row else ""
    return drawn.rstrip()


def _is_right_of(index: int, lanes: list[str], inputs: tuple[str, ...]) -> bool:
    return all(i < index for i, lane in enumerate(lanes) if lane in inputs)


#: How a lane is joined: whether a line comes from the left, from the right, and whether it goes on.
_JOINT = {
    (False, True, True): "├",
    (False, True, False): "└",
    (True, True, True): "┼",
    (True, True, False): "┴",
}


def details(spec: ModuleSpec) -> str:
    """What is unusual about a module, in words."""
    words = []
    if not spec.required:
        words.append(f"optional, waited for {spec.wait:g} s")
    if spec.baseline:
        words.append("baseline")
    if spec.replicas > 1:
        words.append(f"{spec.replicas} replicas")
    if spec.lifecycle != "node_control":
        words.append(f"{spec.lifecycle} lifecycle")
    tries = f"{spec.max_tries} tries" if spec.max_tries > 1 else "1 try"
    words.append(f"{tries} of {spec.timeout:g} s")
    return ", ".join(words)


def as_dot(pipeline: Pipeline) -> str:
    """For Graphviz: `sustainml pipeline show --dot | dot -Tsvg > graph.svg`."""
    lines = ["digraph pipeline {", "  rankdir=LR;", "  node [shape=box];"]
    lines.append(f"  {USER_INPUT} [shape=ellipse];")
    for spec in pipeline.modules:
        style = "" if spec.required else ", style=dashed"
        lines.append(f'  {spec.name} [label="{spec.name}\\n{spec.output_type}"{style}];')
        lines += [f"  {source} -> {spec.name};" for source in spec.inputs]
    return "\n".join([*lines, "}"])


def as_mermaid(pipeline: Pipeline) -> str:
    """For Mermaid, which GitHub shows in Markdown."""
    lines = ["flowchart LR", f"  {USER_INPUT}([{USER_INPUT}])"]
    for spec in pipeline.modules:
        lines.append(f'  {spec.name}["{spec.name}<br/>{spec.output_type}"]')
        arrow = "-->" if spec.required else "-.->"
        lines += [f"  {source} {arrow} {spec.name}" for source in spec.inputs]
    return "\n".join(lines)
