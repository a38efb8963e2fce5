"""The file that describes the modules: reads it, and knows the line of each key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sustainml_orchestrator.contract import share_directory, yaml_loader
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.pipeline_reader import (
    KeyPath,
    Mistake,
    PipelineError,
    Reader,
    refusal,
)
from sustainml_orchestrator.core.text import cause

#: Beyond this size, a file is no module graph.
_MAX_BYTES = 1 << 20


def locate(path: str) -> Path:
    """The file of a path; "" means the one of the package."""
    return Path(path) if path else share_directory.directory() / "config" / "pipeline.yaml"


def parse(path: str) -> Pipeline:
    """The pipeline that a file describes, without a look at its message types.

    Args:
        path: "" means the file of the package.

    Raises:
        PipelineError: one sentence that names file, line, key and remedy; all in its `texts`.
    """
    return parse_with_lines(path)[0]


def parse_with_lines(path: str) -> tuple[Pipeline, dict[KeyPath, int]]:
    """The same, and the line of each key.

    Raises:
        PipelineError: as `parse` does.
    """
    data, lines, repeated = read(path)
    source = str(locate(path))
    if repeated:
        reader = Reader()
        reader.order(reader.modules(data))
        raise refusal(source, [*repeated, *reader.mistakes], lines)
    return Pipeline.from_data(data, source, lines), lines


def read(path: str) -> tuple[Any, dict[KeyPath, int], list[Mistake]]:
    """What a file holds, the line of each key, and the keys that stand twice.

    Raises:
        PipelineError: it is no YAML file.
    """
    try:
        file = locate(path)
        if file.stat().st_size > _MAX_BYTES:
            raise ValueError(f"it is larger than {_MAX_BYTES >> 20} MiB")
        text = file.read_text(encoding="utf-8")
        return yaml_loader.load(text), *_lines(text)
    except Exception as error:  # PyYAML raises whatever a value leads to, RecursionError too
        reason = " ".join(cause(error).split())
        raise PipelineError(
            f"{path or 'pipeline.yaml'}: cannot be read ({reason}); correct it, or name another"
        ) from error


def _lines(text: str) -> tuple[dict[KeyPath, int], list[Mistake]]:
    """The line of each key, and the keys that stand twice in one mapping: YAML drops the first."""
    lines: dict[KeyPath, int] = {}
    repeated: list[Mistake] = []

    def visit(node: Any, path: KeyPath) -> None:
        if not isinstance(node, yaml.MappingNode) or len(path) > 3:
            return
        for key, value in node.value:
            here = (*path, str(key.value))
            line = key.start_mark.line + 1
            if here in lines:
                text = f"stands here and in line {lines[here]}; remove one, or rename it"
                repeated.append(Mistake(here, text))
            lines[here] = line
            visit(value, here)

    visit(yaml.compose(text, Loader=yaml.SafeLoader), ())
    return lines, repeated
