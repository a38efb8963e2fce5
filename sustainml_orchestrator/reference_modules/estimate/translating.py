"""Translations that no single model does: one for each pair of languages, or through English."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, product
from typing import TYPE_CHECKING

from sustainml_orchestrator.reference_modules.estimate.candidates import NoMatchError
from sustainml_orchestrator.reference_modules.estimate.languages import pair
from sustainml_orchestrator.reference_modules.estimate.requirements import Requirements

if TYPE_CHECKING:
    from sustainml_orchestrator.reference_modules.estimate.proposal import Proposal

_BETWEEN = "en"
_One = Callable[[Requirements], "Proposal"]


def by_pairs(one: _One, asked: Requirements) -> Proposal | None:
    """The first of the models that do it together, with the others in its notes; None without.

    Args:
        one: proposes a single model, or raises NoMatchError.
        asked: what is wanted.
    """
    wanted = pair(asked).wanted
    sources, targets = sorted(wanted.languages - wanted.into), sorted(wanted.into)
    pairs = list(product(sources, targets))
    ways = [_way(one, wanted, *each) for each in pairs]
    if not pairs or not all(ways):
        return None
    named = "; ".join(
        f"{source} into {target}: {', then '.join(p.model.name for p in way)}"
        for (source, target), way in zip(pairs, ways, strict=True)
    )
    notes = [f"no single model translates every pair of languages; models: {named}"]
    if any(len(way) > 1 for way in ways):
        notes.append("through English, at which some of the meaning is lost")
    first = ways[0][0]
    # Each text has one language, and is translated into all.
    each = math.ceil(sum(map(len, ways)) / len(sources)) * first.each
    return replace(first, notes=(*notes, *first.notes), each=each)


def _way(one: _One, wanted: Requirements, source: str, target: str) -> list[Proposal]:
    """The models from one language into another: one, or two through English; none without."""
    stops = (source, _BETWEEN, target) if _BETWEEN not in (source, target) else (source, target)
    for way in dict.fromkeys(((source, target), stops)):
        try:
            return [
                one(replace(wanted, languages=frozenset({a, b}), into=frozenset({b})))
                for a, b in pairwise(way)
            ]
        except NoMatchError:
            continue
    return []
