"""What a module consumes and delivers: its place in the pipeline, read off the author's class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sustainml_msgs.msg import (
    AppRequirements,
    CO2Footprint,
    HWConstraints,
    HWResource,
    MLModel,
    MLModelMetadata,
    UserInput,
)

from sustainml_orchestrator.sdk.module_base import ModuleBase
from sustainml_orchestrator.sdk.task import BASELINE, Inputs

USER_INPUT = "user_input"

#: Every message of the pipeline that a module can consume, by the name of its producer.
TYPES: dict[str, type] = {
    USER_INPUT: UserInput,
    "app_requirements": AppRequirements,
    "ml_model_metadata": MLModelMetadata,
    "hw_constraints": HWConstraints,
    "ml_model_provider": MLModel,
    "hw_resources": HWResource,
    "carbon_tracker": CO2Footprint,
}

#: What the six modules of the pipeline consume.
CONSUMED: dict[str, tuple[str, ...]] = {
    "app_requirements": (USER_INPUT,),
    "ml_model_metadata": (USER_INPUT,),
    "hw_constraints": (USER_INPUT,),
    "ml_model_provider": ("app_requirements", "ml_model_metadata", "hw_constraints"),
    "hw_resources": ("app_requirements", "hw_constraints", "ml_model_provider"),
    "carbon_tracker": (USER_INPUT, "ml_model_provider", "hw_resources"),
}

#: The modules whose output of the base iteration is published as a baseline.
BASELINES = ("ml_model_provider", "hw_resources", "carbon_tracker")

_COMMON_FIELDS = ("task_id", "attempt", "session", "token", "header")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class ModuleSpec:
    """The place of a module in the pipeline.

    Attributes:
        module: its role, and default node name.
        inputs: what it consumes: name of the producer → message type.
        baselines: what else it consumes when iteration_id > 1.
        output_type: what it delivers.
    """

    module: str
    inputs: Mapping[str, type]
    baselines: tuple[str, ...]
    output_type: type

    @cached_property
    def _first(self) -> frozenset[str]:
        return frozenset(self.inputs)

    @cached_property
    def _later(self) -> frozenset[str]:
        return self._first | {BASELINE + name for name in self.baselines}

    def needed(self, iteration_id: int) -> frozenset[str]:
        """Names of all that must be there before work on an iteration can start."""
        return self._later if iteration_id > 1 else self._first

    def open(self, payloads: Mapping[str, bytes]) -> Inputs:
        """Make serialized inputs readable for user code."""
        return Inputs(self.inputs, {name: TYPES[name] for name in BASELINES}, payloads)


def spec_of(cls: type[ModuleBase]) -> ModuleSpec:
    """Read the class attributes of a module.

    Raises:
        TypeError: the class does not describe a module; the sentence says what to add.
    """
    name = getattr(cls, "module", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TypeError(
            f"{cls.__name__}.module is {name!r}; name one of {', '.join(CONSUMED)}, "
            "or a module of your own in lower case"
        )
    inputs = _input_types(cls, name)
    output_type = cls.output_type or TYPES.get(name)
    baselines = cls.baselines
    if baselines is None:
        baselines = BASELINES if name == "ml_model_provider" else ()
    if unknown := set(baselines) - set(BASELINES):
        raise TypeError(f"{cls.__name__}.baselines names {unknown}; there are {BASELINES}")
    for type_ in (output_type, *inputs.values()):
        _check_message(cls, type_)
    assert output_type is not None
    return ModuleSpec(name, inputs, tuple(baselines), output_type)


def _input_types(cls: type[ModuleBase], name: str) -> dict[str, type]:
    inputs = cls.inputs if cls.inputs is not None else CONSUMED.get(name)
    if not inputs:
        raise TypeError(
            f"{name} is a module of your own: say what {cls.__name__} consumes, for example "
            'inputs = ("user_input", "app_requirements")'
        )
    if isinstance(inputs, Mapping):
        return dict(inputs)
    if unknown := [one for one in inputs if one not in TYPES]:
        raise TypeError(
            f"{cls.__name__}.inputs names {', '.join(unknown)}; known are {', '.join(TYPES)}; "
            "for another one give its type: inputs = {name: MessageType}"
        )
    return {one: TYPES[one] for one in inputs}


def _check_message(cls: type[ModuleBase], type_: type | None) -> None:
    fields: dict[str, str] = getattr(type_, "get_fields_and_field_types", dict)()
    if tuple(fields)[: len(_COMMON_FIELDS)] != _COMMON_FIELDS:
        raise TypeError(
            f"{cls.__name__}: {getattr(type_, '__name__', type_)} is no message of the pipeline; "
            f"set output_type to a message type that begins with {', '.join(_COMMON_FIELDS)}"
        )
