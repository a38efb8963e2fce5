"""Reads the description of a pipeline and finds every mistake in it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from sustainml_orchestrator.core.text import printable

USER_INPUT = "user_input"

#: Output types of sustainml_msgs; any other type is written ``package/msg/Type``.
OUTPUT_TYPES = frozenset(
    ("AppRequirements", "MLModelMetadata", "HWConstraints", "MLModel", "HWResource", "CO2Footprint")
)
MAX_REPLICAS = 64

_NAME = re.compile(r"[a-z](?:_?[a-z0-9]+)*")
_OF_UP = "of a process of sustainml up"
_RESERVED = {
    USER_INPUT: "of the input of a pipeline", "orchestrator": "of the node that runs it",
    "all": "commands use it for every module", "up": _OF_UP, "web": _OF_UP, "rest": _OF_UP,
}  # fmt: skip
_FOREIGN_TYPE = re.compile(r"[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9]*")
_LIFECYCLES = ("node_control", "managed")
_MAX_MODULES = 64

#: Keys from the top of a file to a value, such as ("modules", "hw_resources", "timeout").
KeyPath = tuple[str, ...]


class Mistake(NamedTuple):
    """A mistake in the description of a pipeline: where it is, and what to do."""

    path: KeyPath
    remedy: str

    @property
    def key(self) -> str:
        """The place as a text that can be printed."""
        return ".".join(printable(part, 80) for part in self.path)


class PipelineError(ValueError):
    """The description of the pipeline is wrong; the text names file, key and remedy.

    Attributes:
        texts: one sentence for each mistake.
    """

    def __init__(self, text: str, texts: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.texts = tuple(texts) or (text,)


def refusal(
    source: str, mistakes: Sequence[Mistake], lines: Mapping[KeyPath, int]
) -> PipelineError:
    """The error that names mistakes in a file, in the order of their lines.

    Args:
        source: name of the file.
        lines: line of each key.
    """

    def line_of(mistake: Mistake) -> int:
        path = mistake.path
        return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 0)

    def text(mistake: Mistake) -> str:
        place = f"{source}, line {line_of(mistake)}" if line_of(mistake) else source
        return f"{place}: {mistake.key}: {mistake.remedy}"

    texts = [text(mistake) for mistake in sorted(mistakes, key=line_of)]
    more = len(texts) - 1
    rest = f"; {more} more: run `sustainml pipeline check {shlex.quote(source)}`" if more else ""
    return PipelineError(texts[0] + rest, texts)


def _is_whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _is_duration(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0.01 <= value <= 30 * 86400


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_type(value: Any) -> bool:
    return isinstance(value, str) and (
        value in OUTPUT_TYPES or _FOREIGN_TYPE.fullmatch(value) is not None
    )


def _is_command(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and len(value) <= 1000


#: For each optional key of a module: its default, its check, and what to do when that fails.
_VALUES: dict[str, tuple[Any, Callable[[Any], bool], str]] = {
    "output_type": (None, _is_type, f"use one of {sorted(OUTPUT_TYPES)} or package/msg/Type"),
    "timeout": (300.0, _is_duration, "give seconds from 0.01 to 2592000"),
    "max_tries": (2, lambda v: _is_whole(v, 100), "give a whole number, 1 to 100"),
    "baseline": (False, _is_bool, "use true or false"),
    "required": (True, _is_bool, "use true or false"),
    "wait": (5.0, _is_duration, "give seconds from 0.01 to 2592000"),
    "replicas": (
        1, lambda v: _is_whole(v, MAX_REPLICAS), f"give a whole number, 1 to {MAX_REPLICAS}"
    ),
    "lifecycle": ("node_control", _LIFECYCLES.__contains__, f"use {' or '.join(_LIFECYCLES)}"),
    "executable": ("", _is_command, "give a command line, or 'none'"),
}  # fmt: skip
_KEYS = ("inputs", *_VALUES)
#: What some values are taken from, to name the nearest one.
_CHOICES: dict[str, Collection[str]] = {"output_type": OUTPUT_TYPES, "lifecycle": _LIFECYCLES}


def nearest(word: object, known: Collection[str]) -> str:
    """The clause "did you mean …? " where a known word is like this one, else ""."""
    close = get_close_matches(word, known, 1) if isinstance(word, str) else ()
    return f"did you mean {close[0]}? " if close else ""


def instances(name: str, count: int) -> list[str]:
    """The names of the further instances of a module."""
    return [f"{name}_{number}" for number in range(2, count + 1)]


def name_flaw(name: object) -> str:
    """What is wrong with the name of a module, and what to do; "" = nothing."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > 64:
        return "is no ROS name; use lower case like hw_resources, up to 64 characters"
    if name in _RESERVED:
        return f"is a reserved name ({_RESERVED[name]}); choose another"
    return ""


class Reader:
    """Checks the content of one file.

    Attributes:
        mistakes: those found so far.
    """

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def _note(self, *path: Any, remedy: str) -> None:
        self.mistakes.append(Mistake(tuple(map(str, path)), printable(remedy, 500)))

    def modules(self, data: Any) -> dict[str, dict[str, Any]]:
        """The values of each module that can be used."""
        if not isinstance(data, Mapping) or not isinstance(data.get("modules"), Mapping):
            self._note("modules", remedy="must be a mapping of module names to their settings")
            return {}
        for key in data:
            if key != "modules":
                self._note(key, remedy="is not a key of this file; only 'modules' is")
        modules = data["modules"]
        if not 1 <= len(modules) <= _MAX_MODULES:
            text = f"holds {len(modules)}; give between 1 and {_MAX_MODULES}"
            self._note("modules", remedy=text)
        read = {name: self._module(name, modules) for name in modules if self._is_name(name)}
        for name, values in read.items():
            count = values.get("replicas", 1)
            for other in instances(name, count if _is_whole(count, MAX_REPLICAS) else 1):
                if other in modules:
                    text = f"gives an instance the name of module {other}; rename that"
                    self._note("modules", name, "replicas", remedy=text)
        return read

    def _is_name(self, name: Any) -> bool:
        if remedy := name_flaw(name):
            self._note("modules", name, remedy=remedy)
        return not remedy

    def _module(self, name: str, modules: Mapping[str, Any]) -> dict[str, Any]:
        values = modules[name]
        if not isinstance(values, Mapping):
            text = "must be a mapping with inputs and output_type"
            self._note("modules", name, remedy=text)
            return {"inputs": ()}
        read: dict[str, Any] = {"inputs": self._inputs(name, values.get("inputs"), modules)}
        for key, (default, is_valid, remedy) in _VALUES.items():
            read[key] = value = values.get(key, default)
            if not is_valid(value):
                hint = nearest(value, _CHOICES.get(key, ()))
                self._note("modules", name, key, remedy=f"is '{value}'; {hint}{remedy}")
        for key in values:
            if key not in _KEYS:
                hint = nearest(key, _KEYS)
                text = f"is unknown; {hint}known are {', '.join(sorted(_KEYS))}"
                self._note("modules", name, key, remedy=text)
        if read["lifecycle"] == "managed" and read["replicas"] != 1:
            self._note("modules", name, "replicas", remedy="is for modules that are not managed")
        return read

    def _inputs(self, name: str, inputs: Any, modules: Mapping[str, Any]) -> tuple[str, ...]:
        path = "modules", name, "inputs"
        texts = isinstance(inputs, list) and all(isinstance(one, str) for one in inputs)
        if not texts or not inputs:
            self._note(*path, remedy="must be a list that names user_input or other modules")
            return ()
        known = [USER_INPUT, *map(str, modules)]
        for one in inputs:
            if one not in known:
                hint = nearest(one, known)
                text = f"names '{one}', which is no module of this file; {hint or 'add it'}"
                self._note(*path, remedy=text.rstrip())
        if len(set(inputs)) != len(inputs):
            self._note(*path, remedy="names an input twice; remove one")
        return tuple(dict.fromkeys(inputs))

    def order(self, modules: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Inputs before their consumers, otherwise as written."""
        names, order = list(modules), []
        sorter = TopologicalSorter({n: set(modules[n]["inputs"]) & set(names) for n in names})
        try:
            sorter.prepare()
        except CycleError as error:
            members = sorted(set(error.args[1]), key=names.index)
            text = f"{', '.join(members)} wait for each other; break the cycle of inputs"
            self._note("modules", remedy=text)
            return names
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=names.index)
            sorter.done(*ready)
            order += ready
        return order
