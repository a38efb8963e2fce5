"""What a module consumes and delivers, read from its class and the module graph."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sustainml_orchestrator.contract import cdr
from sustainml_orchestrator.contract.module_graph import message_types, read_pipeline
from sustainml_orchestrator.core.pipeline import USER_INPUT as USER_INPUT
from sustainml_orchestrator.core.pipeline import ModuleSpec as Place
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.sdk.task import BASELINE, Inputs

if TYPE_CHECKING:
    from sustainml_orchestrator.sdk.module import Module

#: The standard module that consumes all baselines.
_CHOOSES_MODELS = "ml_model_provider"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


_PIPELINE = read_pipeline("")
#: The messages of the standard pipeline, by the name of the module that produces them.
TYPES = message_types(_PIPELINE)
#: What the standard modules consume.
CONSUMED = {spec.name: spec.inputs for spec in _PIPELINE.modules}
#: The standard modules whose output of the base iteration is published as a baseline.
BASELINES = tuple(spec.name for spec in _PIPELINE.modules if spec.baseline)


@dataclass(frozen=True)
class ModuleSpec:
    """The place of a module in the pipeline.

    Attributes:
        module: its role, and default node name.
        inputs: message types of the inputs, by the name of their producer.
        baselines: message types of the baselines that are inputs, too, when iteration_id > 1.
        output_type: message type of the output.
    """

    module: str
    inputs: Mapping[str, type]
    baselines: Mapping[str, type]
    output_type: type

    @cached_property
    def _first(self) -> frozenset[str]:
        return frozenset(self.inputs)

    @cached_property
    def _later(self) -> frozenset[str]:
        return self._first | {BASELINE + name for name in self.baselines}

    def needed(self, iteration_id: int) -> frozenset[str]:
        """Names of all inputs without which an iteration cannot start."""
        return self._later if iteration_id > 1 else self._first

    def open(self, payloads: Mapping[str, bytes]) -> Inputs:
        """The inputs as user code reads them, from serialized messages.

        What the graph does not give to a standard module is a default message.
        """
        usual = {name: TYPES[name] for name in CONSUMED.get(self.module, ())}
        baselines = {name: TYPES[name] for name in BASELINES}
        return Inputs({**usual, **self.inputs}, {**baselines, **self.baselines}, payloads)


def spec_of(cls: type[Module], pipeline: Pipeline | None = None) -> ModuleSpec:
    """Read the class attributes of a module, and its place in the module graph.

    Args:
        pipeline: the graph that the orchestrator uses; None = the standard one, of which a module
            need not be a part.

    Raises:
        TypeError: they do not describe a module; the text says what to change.
    """
    graph = pipeline or _PIPELINE
    name = name_of(cls)
    place = graph.by_name.get(name)
    if place is None and pipeline is not None:
        raise TypeError(f"the pipeline file has no module {name}; add it, as `new module` does")
    types = message_types(graph)
    inputs = cls.inputs if cls.inputs is not None else place and place.inputs
    if not inputs:
        raise TypeError(
            f"{name} is not a standard module; say what {cls.__name__} consumes, for example "
            'inputs = ("user_input", "app_requirements")'
        )
    known = tuple(spec.name for spec in graph.baselines)
    baselines = cls.baselines
    if baselines is None:
        baselines = known if name == _CHOOSES_MODELS else ()
    output_type = cls.output_type or types.get(name)
    if output_type is None:
        raise TypeError(f"{name} is not a standard module; set {cls.__name__}.output_type")
    spec = ModuleSpec(
        name,
        _typed(f"{cls.__name__}.inputs", inputs, types, tuple(types)),
        _typed(f"{cls.__name__}.baselines", baselines, types, known),
        output_type,
    )
    _check_types(cls, spec)
    if pipeline is not None:
        _compare(cls, spec, pipeline.by_name[name], types)
    return spec


def _check_types(cls: type[Module], spec: ModuleSpec) -> None:
    for type_ in (spec.output_type, *spec.inputs.values(), *spec.baselines.values()):
        if not hasattr(type_, "get_fields_and_field_types") or not cdr.names_a_task(type_):
            raise TypeError(
                f"{cls.__name__}: {getattr(type_, '__name__', type_)} is not a message type whose "
                f"first fields are {', '.join(cdr.COMMON_FIELDS)}; use one that is"
            )


def name_of(cls: type[Module]) -> str:
    """The name of the module that a class implements.

    Raises:
        TypeError: it has none.
    """
    name = getattr(cls, "module", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TypeError(
            f"{cls.__name__}.module is {name!r}; set it to one of {', '.join(CONSUMED)}, "
            "or to another name in lower case"
        )
    return name


def _compare(cls: type[Module], spec: ModuleSpec, place: Place, types: Mapping[str, type]) -> None:
    """Refuse a class that contradicts the graph: it would wait for what never comes."""
    given, due = set(spec.inputs), set(place.inputs)
    if given != due:
        raise TypeError(
            f"{cls.__name__}.inputs are {', '.join(sorted(given))}, but the pipeline file says "
            f"{', '.join(sorted(due))}; change one of them"
        )
    if spec.output_type is not types[spec.module]:
        raise TypeError(
            f"{cls.__name__}.output_type is {spec.output_type.__name__}, but the pipeline file "
            f"says {place.output_type}; change one of them"
        )


def _typed(
    key: str,
    names: Sequence[str] | Mapping[str, type],
    types: Mapping[str, type],
    known: Sequence[str],
) -> dict[str, type]:
    """The message types of inputs, by the name of their producer."""
    if isinstance(names, Mapping):
        return dict(names)
    if isinstance(names, str) or (unknown := [one for one in names if one not in known]):
        given = names if isinstance(names, str) else ", ".join(map(str, unknown))
        raise TypeError(
            f"{key} contains {given}; use a tuple of {', '.join(known)}, "
            "or for other modules a mapping: {name: MessageType}"
        )
    return {name: types[name] for name in names}
