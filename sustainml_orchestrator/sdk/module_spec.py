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
from sustainml_orchestrator.sdk.task import BASELINE, Inputs

if TYPE_CHECKING:
    from sustainml_orchestrator.sdk.module import Module

_PIPELINE = read_pipeline("")
#: The messages of the standard pipeline, by the name of the module that produces them.
TYPES = message_types(_PIPELINE)
#: What the standard modules consume.
CONSUMED = {spec.name: spec.inputs for spec in _PIPELINE.modules}
#: The standard modules whose output of the base iteration is published as a baseline.
BASELINES = tuple(spec.name for spec in _PIPELINE.modules if spec.baseline)
#: The standard module that consumes all baselines.
_CHOOSES_MODELS = "ml_model_provider"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


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
        """The inputs as user code reads them, from serialized messages."""
        known = {name: TYPES[name] for name in BASELINES}
        return Inputs(self.inputs, {**known, **self.baselines}, payloads)


def spec_of(cls: type[Module]) -> ModuleSpec:
    """Read the class attributes of a module.

    Raises:
        TypeError: they do not describe a module; the text says what to change.
    """
    name = getattr(cls, "module", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TypeError(
            f"{cls.__name__}.module is {name!r}; set it to one of {', '.join(CONSUMED)}, "
            "or to another name in lower case"
        )
    inputs = cls.inputs if cls.inputs is not None else CONSUMED.get(name)
    if not inputs:
        raise TypeError(
            f"{name} is not a standard module; say what {cls.__name__} consumes, for example "
            'inputs = ("user_input", "app_requirements")'
        )
    baselines = cls.baselines
    if baselines is None:
        baselines = BASELINES if name == _CHOOSES_MODELS else ()
    output_type = cls.output_type or TYPES.get(name)
    if output_type is None:
        raise TypeError(f"{name} is not a standard module; set {cls.__name__}.output_type")
    spec = ModuleSpec(
        name,
        _typed(f"{cls.__name__}.inputs", inputs, tuple(TYPES)),
        _typed(f"{cls.__name__}.baselines", baselines, BASELINES),
        output_type,
    )
    for type_ in (output_type, *spec.inputs.values(), *spec.baselines.values()):
        if not hasattr(type_, "get_fields_and_field_types") or not cdr.names_a_task(type_):
            raise TypeError(
                f"{cls.__name__}: {getattr(type_, '__name__', type_)} is not a message type whose "
                f"first fields are {', '.join(cdr.COMMON_FIELDS)}; use one that is"
            )
    return spec


def _typed(
    key: str, names: Sequence[str] | Mapping[str, type], known: Sequence[str]
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
    return {name: TYPES[name] for name in names}
