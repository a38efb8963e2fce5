"""Problems of two parts, such as "first detect plates, then read them"."""

from __future__ import annotations

import re

from sustainml_orchestrator.reference_modules.text.words import fold

_FIRST = re.compile(
    r"\b(?:first|two[- ]stage|zuerst|erst|primero|d'abord|dabord|prima|primeiro|eerst)\b"
)
_THEN = re.compile(
    r"[,;.]?\s*(?:and |und |y |et |e |en )?"
    r"\b(?:then|afterwards|second|dann|danach|luego|despues|puis|ensuite|poi|depois|daarna)\b"
)
#: "Detect-then-segment: …": a name of the method before the problem itself.
_HEADING = re.compile(r"^\W*\w+[- ]then[- ]\w+\s*[:.]\s*(?=\w)")
#: What is done, by kind: two words of one kind are one part.
_VERBS = {
    "find": "detect|locate|find|count|spot|erkenne|finde|detectar|localizar|detecter|trouver",
    "outline": "segment|outline|mask|segmentiere|segmentar|segmenter",
    "read": "read|ocr|lies|leer|lire",
    "transcribe": "transcribe|transkribiere|transcribir|transcrire",
    "translate": "translate|ubersetze|traducir|traduire",
    "shorten": "summari[sz]e|condense|fasse|resumir|resumer",
    "judge": "classify|sort|rate|grade|assign|identify|recogni[sz]e|klassifiziere"
    "|clasificar|classer",
    "tell": "describe|caption|answer",
    "say": "speak",
}
_ANY = "|".join(_VERBS.values())
_LINK = re.compile(
    rf"(?:[,;.]? (?:and|und|y|et|e) (?:then |dann |luego |puis )?|[,;.] (?:then|dann|luego|puis) )"
    rf"(?=(?:{_ANY})\w?\b)"
)
_BEGINS = re.compile(rf"^\W*(?:please |we want to |i want to |we need to )?({_ANY})\w?\b\s*(.*)")
#: Kinds that a text names without an object of their own: "transcribe and summarise calls".
_SHARED = ({"transcribe", "shorten"}, {"transcribe", "translate"}, {"translate", "shorten"})
_PRONOUN = re.compile(
    r"\b(?:each of them|them|it|these|those|each one|each(?! \w)|sie|es|los|las|les)\b"
)
_OBJECT_END = re.compile(r"[.,;:(]| (?:in|on|from|with|by|at|of|within|using) ")


def two_parts(text: str) -> tuple[str, str] | None:
    """The folded texts of both parts, each understandable alone; None for a problem of one."""
    folded = _HEADING.sub("", fold(text))
    if _FIRST.search(folded):
        first, *rest = _THEN.split(folded, maxsplit=1)
        if rest:
            return first, rest[0]
    for link in _LINK.finditer(folded):
        first, second = folded[: link.start()], folded[link.end() :]
        before = _BEGINS.search(re.split(r"[.!?:]\s", first)[-1])
        after = _BEGINS.search(second)
        if before and after and _kind(before[1]) != _kind(after[1]):
            return _complete(before, after)
    return None


def _complete(before: re.Match[str], after: re.Match[str]) -> tuple[str, str] | None:
    """Both parts with what they are about: the second may say "them", the first nothing."""
    what = before[2].strip()
    if not what:
        shared = {_kind(before[1]), _kind(after[1])} in _SHARED
        return (f"{before[1]} {after[2]}", after.group()) if shared else None
    thing = _OBJECT_END.split(what)[0]
    return before.group(), _PRONOUN.sub(lambda _: thing, after.group(), count=1)


def _kind(verb: str) -> str:
    return next(kind for kind, verbs in _VERBS.items() if re.fullmatch(verbs, verb))
