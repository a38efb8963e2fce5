"""The module graph: inputs, output, deadlines and retries of every module."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

USER_INPUT = "user_input"

#: Output types of sustainml_msgs; any other type is written ``package/msg/Type``.
OUTPUT_TYPES = frozenset(
    ("AppRequirements", "MLModelMetadata", "HWConstraints", "MLModel", "HWResource", "CO2Footprint")
)

_NAME = re.compile(r"[a-z](?:_?[a-z0-9]+)*")
_FOREIGN_TYPE = re.compile(r"[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9]*")
_LIFECYCLES = ("node_control", "managed")
_MAX_MODULES = 64


class PipelineError(ValueError):
    """The description of the pipeline is wrong; the text names file, key and remedy."""


@dataclass(frozen=True, slots=True)
class ModuleSpec:
    """One module of the pipeline.

    Attributes:
        name: role in the pipeline and default name of its node.
        index: position in the pipeline, inputs always before their consumers.
        inputs: names of modules, and ``user_input``.
        output_type: name of a message of sustainml_msgs, or ``package/msg/Type``.
        timeout: longest time of one try, in s.
        max_tries: failed tries of a step before its task fails.
        baseline: whether its output is published as a baseline of later iterations.
        required: whether the system is ready only while this module is active, and a task fails
            without its output.
        wait: of a module that is not required, how long a task waits for it (s) when nothing else
            is left to do.
        replicas: how many instances share its work.
        lifecycle: how its node is commanded: "node_control" (NodeControl messages) or "managed"
            (services of lifecycle_msgs).
    """

    name: str
    index: int
    inputs: tuple[str, ...]
    output_type: str
    timeout: float
    max_tries: int
    baseline: bool
    required: bool = True
    wait: float = 5.0
    replicas: int = 1
    lifecycle: str = "node_control"


class Pipeline:
    """The modules in an order in which every input comes before its consumers."""

    def __init__(self, modules: tuple[ModuleSpec, ...]) -> None:
        self.modules = modules
        self.by_name = {spec.name: spec for spec in modules}
        #: for each module, the indices of the modules that it takes input from
        self.sources: tuple[tuple[int, ...], ...] = tuple(
            tuple(self.by_name[name].index for name in spec.inputs if name != USER_INPUT)
            for spec in modules
        )
        #: for each module, the indices of the modules that take its output
        self.consumers: tuple[tuple[int, ...], ...] = tuple(
            tuple(other.index for other in modules if spec.name in other.inputs) for spec in modules
        )
        self.baselines: tuple[ModuleSpec, ...] = tuple(s for s in modules if s.baseline)

    def __len__(self) -> int:
        return len(self.modules)

    @classmethod
    def from_data(cls, data: Any, source: str) -> Pipeline:
        """Check and order what a YAML file holds.

        Args:
            data: ``{"modules": {name: {key: value}}}``; the keys are the attributes of ModuleSpec.
            source: name of the file, for messages.

        Raises:
            PipelineError: with one sentence that names file, key and remedy.
        """
        reader = _Reader(source)
        modules = reader.modules(data)
        order = enumerate(reader.order(modules))
        return cls(tuple(ModuleSpec(name=name, index=i, **modules[name]) for i, name in order))


def _is_whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _is_duration(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0.01 <= value <= 30 * 86400


def _is_type(value: Any) -> bool:
    return isinstance(value, str) and (
        value in OUTPUT_TYPES or _FOREIGN_TYPE.fullmatch(value) is not None
    )


#: For each optional key of a module: its default, its check, and what to do when that fails.
_VALUES: dict[str, tuple[Any, Callable[[Any], bool], str]] = {
    "output_type": (None, _is_type, f"use one of {sorted(OUTPUT_TYPES)} or package/msg/Type"),
    "timeout": (300.0, _is_duration, "give seconds from 0.01 to 2592000"),
    "max_tries": (2, lambda v: _is_whole(v, 100), "give a whole number, 1 to 100"),
    "baseline": (False, lambda v: isinstance(v, bool), "use true or false"),
    "required": (True, lambda v: isinstance(v, bool), "use true or false"),
    "wait": (5.0, _is_duration, "give seconds from 0.01 to 2592000"),
    "replicas": (1, lambda v: _is_whole(v, 64), "give a whole number, 1 to 64"),
    "lifecycle": ("node_control", _LIFECYCLES.__contains__, f"use {' or '.join(_LIFECYCLES)}"),
}


class _Reader:
    """Checks the content of one file; every error begins with its name."""

    def __init__(self, source: str) -> None:
        self._source = source

    def fail(self, key: str, remedy: str) -> PipelineError:
        return PipelineError(f"{self._source}: {key}: {remedy}")

    def modules(self, data: Any) -> dict[str, dict[str, Any]]:
        if not isinstance(data, Mapping) or not isinstance(data.get("modules"), Mapping):
            raise self.fail("modules", "must be a mapping of module names to their settings")
        unknown = set(map(str, data)) - {"modules"}
        if unknown:
            raise self.fail(min(unknown), "is not a key of this file; only 'modules' is")
        modules = data["modules"]
        if not 1 <= len(modules) <= _MAX_MODULES:
            raise self.fail("modules", f"holds {len(modules)}; give between 1 and {_MAX_MODULES}")
        return {self._name(name): self._module(name, modules) for name in modules}

    def _name(self, name: Any) -> str:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > 64:
            raise self.fail(f"modules.{name}", "is no ROS name; use lower case like hw_resources")
        if name in (USER_INPUT, "orchestrator"):
            raise self.fail(f"modules.{name}", "is a reserved name; choose another")
        return name

    def _module(self, name: str, modules: Mapping[str, Any]) -> dict[str, Any]:
        key, values = f"modules.{name}", modules[name]
        if not isinstance(values, Mapping):
            raise self.fail(key, "must be a mapping with inputs and output_type")
        read: dict[str, Any] = {"inputs": self._inputs(key, values.get("inputs"), modules)}
        for part, (default, is_valid, remedy) in _VALUES.items():
            read[part] = values.get(part, default)
            if not is_valid(read[part]):
                raise self.fail(f"{key}.{part}", f"is '{read[part]}'; {remedy}")
        unknown = set(map(str, values)) - set(read)
        if unknown:
            raise self.fail(f"{key}.{min(unknown)}", f"is unknown; known are {sorted(read)}")
        return read

    def _inputs(self, key: str, inputs: Any, modules: Mapping[str, Any]) -> tuple[str, ...]:
        key = f"{key}.inputs"
        texts = isinstance(inputs, list) and all(isinstance(name, str) for name in inputs)
        if not texts or not inputs:
            raise self.fail(key, "must be a list that names user_input or other modules")
        for name in inputs:
            if name != USER_INPUT and name not in modules:
                raise self.fail(key, f"names '{name}', which is no module of this file; add it")
        if len(set(inputs)) != len(inputs):
            raise self.fail(key, "names an input twice; remove one")
        return tuple(inputs)

    def order(self, modules: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Inputs before their consumers, otherwise as written."""
        names, order = list(modules), []
        sorter = TopologicalSorter({n: set(modules[n]["inputs"]) - {USER_INPUT} for n in names})
        try:
            sorter.prepare()
        except CycleError as error:
            members = ", ".join(sorted(set(error.args[1]), key=names.index))
            text = f"{members} wait for each other; break the cycle of inputs"
            raise self.fail("modules", text) from None
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=names.index)
            sorter.done(*ready)
            order += ready
        return order
