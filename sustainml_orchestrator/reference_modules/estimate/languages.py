"""From which language into which a translation goes, where only one is named, or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sustainml_orchestrator.reference_modules.estimate.requirements import Requirements

#: Taken for the language that is not named: most pairs that are published have it on one side.
_USUAL = "en"


@dataclass(frozen=True)
class Pair:
    """What is wanted with both languages where they can be told."""

    wanted: Requirements
    notes: tuple[str, ...] = ()
    unknown: bool = False  #: a model for a single pair would be a guess


def with_languages(wanted: Requirements, about: Mapping[str, Any]) -> Requirements:
    """The languages that ml_model_metadata has read, where app_requirements names none."""
    if wanted.languages or wanted.into:
        return wanted
    into = _codes(about.get("languages_to"))
    return replace(wanted, languages=_codes(about.get("languages")) | into, into=into)


def pair(wanted: Requirements) -> Pair:
    """The pair of a translation."""
    from_, into = wanted.languages - wanted.into, wanted.into
    if (from_ and into) or len(from_) > 1:
        return Pair(wanted)
    if into and into != {_USUAL}:
        taken = replace(wanted, languages=wanted.languages | {_USUAL})
        return Pair(taken, ("the language of the texts is not named: English is taken",))
    if from_ and from_ != {_USUAL}:
        both = wanted.languages | {_USUAL}
        taken = replace(wanted, languages=both, into=frozenset({_USUAL}))
        return Pair(taken, ("into which language is not named: English is taken",))
    missing = "from which language into which" if not into and not from_ else (
        "from which language" if into else "into which language")  # fmt: skip
    return Pair(wanted, (f"the problem does not say {missing}: name it",), unknown=True)


def _codes(value: Any) -> frozenset[str]:
    items: Iterable[Any] = value if isinstance(value, list) else ()
    return frozenset(item for item in items if isinstance(item, str))
