"""Files of one's own over the catalogues: models, devices and measurements.

An overlay is a YAML file with any of the keys `models`, `devices` and `measurements`, each a list
as in `config/catalog/`. An entry replaces the one of the same name; measurements are added.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sustainml_orchestrator.contract import yaml_loader
from sustainml_orchestrator.core.text import cause

#: Environment variable: files and folders, separated as in PATH.
VARIABLE = "SUSTAINML_CATALOGUE"
#: The list in an overlay by the catalogue to which it belongs.
LISTS = {"models": "models", "hardware": "devices", "measurements": "measurements"}


class OverlayError(ValueError):
    """An overlay cannot be used; the text names the file and the remedy."""


def folder() -> Path:
    """Where `sustainml catalogue add` puts files: below ROS_HOME, else as XDG says."""
    home = os.environ.get("ROS_HOME") or os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(home).expanduser() / "sustainml" / "catalogue"


def named(value: str) -> tuple[Path, ...]:
    """The files and folders of a text that separates them as PATH does."""
    return tuple(Path(each).expanduser() for each in value.split(os.pathsep) if each)


def files(paths: Iterable[Path] = ()) -> list[Path]:
    """All overlays as they apply: those added, those of VARIABLE, then those of `paths`."""
    found: list[Path] = []
    for place in (folder(), *named(os.environ.get(VARIABLE, "")), *paths):
        found += sorted(place.glob("*.yaml")) if place.is_dir() else [place]
    return [each for each in found if each.exists() or each.parent != folder().parent]


def read(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The lists of one overlay.

    Raises:
        OverlayError: unreadable, no YAML, or another form.
    """
    try:
        content = yaml_loader.load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise OverlayError(f"catalogue file {path} cannot be read: {cause(error)}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        place = " ".join(str(error).split())
        raise OverlayError(f"catalogue file {path} is not valid YAML: {place}") from error
    known = tuple(LISTS.values())
    if not isinstance(content, dict) or not content or not set(content) <= set(known):
        raise OverlayError(f"catalogue file {path} must hold lists named {', '.join(known)}")
    for name, entries in content.items():
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise OverlayError(f"{name} in catalogue file {path} must be a list of mappings")
    return content


def over(name: str, content: Mapping[str, Any], paths: Sequence[Path]) -> dict[str, Any]:
    """A catalogue with the entries of overlays.

    Raises:
        OverlayError: an overlay cannot be used.
    """
    kind = LISTS.get(name)
    if kind is None:
        return dict(content)
    entries = list(content[kind])
    for path in paths:
        added = read(path).get(kind, [])
        replaced = {each.get("name") for each in added} - {None}
        entries = [each for each in entries if each.get("name") not in replaced] + added
    return {**content, kind: entries}
