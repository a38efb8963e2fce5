"""Numbers with a unit that no reader has used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from sustainml_orchestrator.reference_modules.text import quantities
from sustainml_orchestrator.reference_modules.text.words import fold, plain

_UNITS = (
    r"[kmgt](?:i?b|bit|o)\b(?:/s|ps)?|(?:kilo|mega|giga|tera)(?:byte|octet|bit)s?|bytes?|bits?"
    r"|us|µs|ms|msec|s|secs?|seconds?|segundos?|sekunden?|secondes?|secondi|min|minutes?|minutos?"
    r"|minuten|minuti|h|hours?|horas?|stunden?|heures?|ore|days?|dias?|tage?n?|jours?|giorni"
    r"|weeks?|months?|years?"
    r"|[mk]?w|watts?|[mk]?wh|m?ah|k?j|joules?|m?v|volts?|m?a|amps?"
    r"|%|percent|per cent|prozent|por ciento|pour cent|fps|[kmg]?hz|db"
    r"|[248]k|p(?:\d{2,3})?|€|eur|euros?|\$|usd|dollars?|£|gbp|pounds?|chf|cents?"
    r"|[uµμn]m|mm|cm|m|km|metres?|meters?|inch(?:es)?|px|pixels?|dpi|mp|megapixels?"
    r"|m?g|kg|grams?|tonnes?|°c?|°f|degrees?|rpm|tokens?|words?|characters?|languages?|classes"
    r"|g?co2e?|kgco2e?|b|bn|params?|parameters?|tops|[gt]?flops?|cores?|channels?|users?"
)
_NUMBER_WITH_UNIT = re.compile(rf"([€$£] ?)?{quantities.NUMBER}(k?)[ -]?({_UNITS})(?!\w)")
#: Batteries and precisions of weights by their names.
_NAMED = re.compile(
    r"(?<!\w)(?:cr\d{4}|lr\d{2,4}|18650|21700|\d?x? ?aaa? (?:cells?|batter\w+)"
    r"|fp6|nf4|mxfp\d|int[23]|[23][- ]bits?|1\.58[- ]bits?)(?!\w)"
)
#: "12,400 lifts": so many of something.
_MANY = re.compile(r"(?<![\w.,€$£])\d{1,3}(?:[.,]\d{3})+ (?!pixel|px|x\b)[^\W\d_]{3,}")
#: "detect cats in photos 1 3": what they count nobody knows.
_STRAY = re.compile(r"(?<![\w.,/:-])(?<!\b[a-z] )\d{1,6}(?: \d{1,6})+(?= ?[.;!?]?$| ?[.;!?]\s)")
_MONEY = re.compile(rf"[€$£] ?{quantities.NUMBER}")
#: More than these of one text would be a table, not a problem.
_MOST = 20


def unread(text: str, used: Iterable[str]) -> list[str]:
    """The numbers with a unit of a text that are in none of the passages used."""
    folded = fold(text)
    spans = [s for passage in used if passage for s in _places(passage, folded)]
    found = []
    for pattern in (*quantities.COUNTED, _NUMBER_WITH_UNIT, _MONEY, _NAMED, _MANY, _STRAY):
        for match in islice(pattern.finditer(folded), _MOST * 10):
            if any(start < match.end() and match.start() < end for start, end in spans):
                continue
            spans.append(match.span())
            found.append((match.start(), " ".join(match.group().split())))
    return list(dict.fromkeys(surface for _, surface in sorted(found)))[:_MOST]


def _places(passage: str, text: str) -> Iterable[tuple[int, int]]:
    """Where a passage stands, as it is or, like the names of products, without its punctuation."""
    exact = re.escape(passage)
    words = r"[\W_]+".join(re.escape(word) for word in plain(passage).split())
    pattern = exact if passage in text else rf"(?<!\w){words}(?!\w)"
    return (match.span() for match in re.finditer(pattern, text)) if words else ()
