"""Problems of two parts: what is proposed for the other one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sustainml_orchestrator.reference_modules.estimate.candidates import NoMatchError
from sustainml_orchestrator.reference_modules.estimate.devices import Device
from sustainml_orchestrator.reference_modules.estimate.keeping_up import GENERATION
from sustainml_orchestrator.reference_modules.estimate.models import Model, ModelCatalogue
from sustainml_orchestrator.reference_modules.estimate.proposal import propose
from sustainml_orchestrator.reference_modules.estimate.requirements import Requirements

_ORDER = ("first", "second", "third")
_RETRIEVAL = "sentence-similarity"
#: Of a generator that answers from passages put before it, which need not know the answer itself.
_MOST_PARAMETERS = 9e9
#: Tokens of the passages put before a question: five of about 200 words.
_PASSAGES = 1_300


def parts_of(told: Mapping[str, Any]) -> tuple[str, ...]:
    """The tasks of a problem of two parts, as ml_model_metadata tells them; none for one."""
    named = told.get("parts")
    return tuple(map(str, named)) if isinstance(named, list) else ()


def reads_passages(parts: Iterable[str]) -> bool:
    """Whether the problem is to find passages and to answer from them."""
    return {*parts} == {_RETRIEVAL, GENERATION}


def narrowed(wanted: Requirements, parts: Iterable[str]) -> Requirements:
    """What is wanted of the model, where the other part makes its work easier."""
    return replace(wanted, most_parameters=_MOST_PARAMETERS) if reads_passages(parts) else wanted


def other_part(
    models: ModelCatalogue,
    devices: tuple[Device, ...],
    wanted: Requirements,
    parts: tuple[str, ...],
    chosen: tuple[str, Model],
) -> list[str]:
    """What is proposed for the other part, and what both together mean; the chosen has one."""
    task, model = chosen
    others = [p for p in parts if p != task]
    if not others:
        return []
    # How large and how fast the generator shall be says nothing of the other model.
    free = replace(wanted, model_size=0.0, most_parameters=0.0, min_token_rate=0.0)
    notes = []
    for other in others:
        which = _ORDER[parts.index(other)]
        try:
            found = propose(models, devices, free, other)
        except NoMatchError as answer:
            notes.append(f"{which} part, {other}: {answer}")
            continue
        many = "two" if len(parts) == 2 else "three"
        notes.append(f"a problem of {many} parts; the {which}, {other}: {found.model.name}")
        notes += (f"{found.model.name}: {note}" for note in found.notes)
    return [*notes, *(_passages(model, wanted) if reads_passages(parts) else [])]


def _passages(model: Model, wanted: Requirements) -> list[str]:
    """What the passages that are found cost."""
    work = model.workload
    more = 2.0 * work.parameters * _PASSAGES / work.flops
    size = f" ({wanted.corpus_size:,.0f})" if wanted.corpus_size else ""
    return [
        f"the documents{size} are embedded once, beforehand; the figures are for answers, with "
        f"{model.input}: passages of {_PASSAGES:,} tokens put before the question add {more:.2g} "
        "times their operations"
    ]
