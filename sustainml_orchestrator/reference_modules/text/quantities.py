"""Numbers with units in a text, as people write them, in SI units (memory in MiB)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from sustainml_orchestrator.reference_modules.text.words import plain

NUMBER = r"(?<![\w.,])(\d{1,15}(?:[.,]\d{1,9}){0,5})"
#: Beginning of a unit's name -> its size; the first that fits is taken.
_MEMORY = {"k": 2.0**-10, "m": 1.0, "g": 2.0**10, "t": 2.0**20}
_TIME = {"us": 1e-6, "µs": 1e-6, "μs": 1e-6, "micro": 1e-6, "ms": 1e-3, "mil": 1e-3,
         "min": 60.0, "s": 1.0}  # fmt: skip
_POWER = {"mw": 1e-3, "milli": 1e-3, "kw": 1e3, "kilo": 1e3, "w": 1.0, "v": 1.0}
_PERIODS = {"s": 1.0, "min": 60.0, "h": 3600.0, "st": 3600.0, "ora": 3600.0, "heu": 3600.0,
            "d": 86400.0, "tag": 86400.0, "jour": 86400.0, "gior": 86400.0, "w": 604800.0,
            "stu": 3600.0, "mo": 2629800.0, "mes": 2629800.0, "maa": 2629800.0, "y": 31557600.0,
            "an": 31557600.0, "ja": 31557600.0, "n": 86400.0, "sem": 604800.0, "set": 604800.0,
            "se": 1.0}  # fmt: skip
#: Things in so long a time are a volume, which may wait, not a rate.
LONG_PERIOD = 86_400.0
PERIOD_WORDS = (
    r"(s|sec|seconds?|segundos?|sekunden?|secondes?|secondi|secondo|min|minutes?|minutos?|minuten?"
    r"|minuti|h|hours?|horas?|stunden?|heures?|ore|ora|days?|dias?|tag|tage|jours?|giorn[oi]"
    r"|weeks?|woche|semanas?|semaines?|settimane?|settimana"
    r"|months?|monat|mes|mois|mese|maand|years?|jahr|ano|an|annee|anno|jaar"
    r"|nights?|nacht|noche|nuit|notte|noite)"
)
_PERCENT = r"(%|percent|per cent|prozent|por ciento|pour cent|per cento)"
THINGS = r"((?:[^\W\d_]+[ -]){0,2}?[^\W\d_]+)"
_PATTERNS = {
    "memory": re.compile(
        NUMBER + r"[ -]?([kmgt](?:i?b|o)|(?:kilo|mega|giga|tera)(?:byte|octet)s?)(?![\w/])"
    ),
    "time": re.compile(
        NUMBER + r"[ -]?(us|µs|μs|microse\w+|ms|msec|mil?lise[ckg]\w+|mil?isegundos?|s|secs?"
        r"|seconds?|segundos?|sekunden?|secondes?|secondi|secondo|minutes?|minutos?|minuten?"
        r"|minuti|min)(?![\w/])"
    ),
    "power": re.compile(NUMBER + r"[ -]?([mk]?w|(?:milli|kilo)?watts?|vatios?)(?![\w/])"),
    "share": re.compile(NUMBER + r" ?" + _PERCENT + "?"),
    "rate": re.compile(NUMBER + rf"(k?) ?{THINGS} ?(/|[^\W\d_]+ ){PERIOD_WORDS}\b"),
    "fps": re.compile(NUMBER + r" ?(fps|hz)\b"),
}
#: Words for "per".
EACH = r"(?:per|an?|each|every|pro|por|par|al|alla|je|jede[nrs]?|cada|chaque|ogni|del?|/)"
#: Things per time, and large numbers of things.
COUNTED = (
    re.compile(NUMBER + rf"k? ?{THINGS} ?(?:/|\b{EACH} ){PERIOD_WORDS}\b"),
    re.compile(
        NUMBER + r"k? (?:million\w*|millon\w*|milhoes|milioni|thousand|tausend|billion) \w+"
    ),
)
_NUMERALS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
             "ten": 10, "twelve": 12, "zwei": 2, "drei": 3, "vier": 4, "funf": 5, "sechs": 6,
             "acht": 8, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "ocho": 8,
             "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "huit": 8, "due": 2,
             "tre": 3, "quattro": 4,
             "cinque": 5, "otto": 8}  # fmt: skip
_SOURCES = re.compile(
    rf"(?<![\w.,])(\d{{1,4}}|{'|'.join(_NUMERALS)})(?: [^\W\d_]+)?? "
    r"(?:cameras?|camaras?|kameras?|telecamere|streams?|video ?streams?|webcams?|channels|kanale)\b"
)
_PRECISIONS = ("fp32", "fp16", "int8", "int4")
_WEIGHTS = re.compile(
    r"(?<![\w.])(?:(fp|float|bf|int|uint)[ -]?(32|16|8|4)|(4|8)[ -]?bits?)(?![\w/])"
)
#: What an 8-bit thing may be that is no model.
_NOT_WEIGHTS = frozenset({
    "adc", "dac", "microcontroller", "microcontrollers", "mcu", "mcus", "avr", "processor", "cpu",
    "colour", "color", "colours", "depth", "image", "images", "picture", "pictures", "grey", "gray",
    "greyscale", "grayscale", "audio", "pcm", "sensor", "sensors", "resolution", "samples", "rgb",
    "bus", "register", "registers", "controller", "console", "game", "games", "music", "per",
})  # fmt: skip
#: Numbers of one kind that are looked at: a text with more of them is a table.
_MAX_FOUND = 200
_SENTENCE_END = re.compile(r"(?<!\bmax)(?<!\bmin)[.;!?\n](?=\s|$)")
_CLAUSE_END = re.compile(r"[.,;!?\n](?=\s|$)")


@dataclass(frozen=True)
class Quantity:
    """A number found in a text, with what stands around it."""

    value: float
    unit: str
    before: tuple[str, ...]  #: last words before it in its sentence, the nearest last
    after: tuple[str, ...]  #: first words after it in its clause
    surface: str = ""  #: as it stands in the text


def memory(text: str) -> list[Quantity]:
    """Amounts of memory in a folded text, in MiB (1 GB counts as 1,024 MiB, as for RAM)."""
    return [_scaled(found, _MEMORY) for found in _find("memory", text)]


def times(text: str) -> list[Quantity]:
    """Spans of time in a folded text, in s."""
    return [_scaled(found, _TIME) for found in _find("time", text)]


def powers(text: str) -> list[Quantity]:
    """Powers in a folded text, in W."""
    return [_scaled(found, _POWER) for found in _find("power", text)]


def shares(text: str) -> list[Quantity]:
    """Numbers between 0 and 1 and percentages in a folded text, as shares of 1."""
    found = (replace(q, value=q.value / 100 if q.unit else q.value) for q in _find("share", text))
    return [q for q in found if 0 < q.value <= 1 and (q.unit or q.value < 1)]


def rates(text: str) -> list[tuple[Quantity, str, str]]:
    """Things per time in a folded text: how many (1/s), the things, and the word for "per"."""
    found = []
    for match in islice(_PATTERNS["rate"].finditer(text), _MAX_FOUND):
        number, kilo, things, each, period = match.groups()
        value = number_of(number, whole=True) * (1000 if kilo else 1) / period_s(period)
        quantity = Quantity(value, period, *around(text, match), match.group())
        found.append((quantity, things, each.strip()))
    return found


def sources(text: str) -> Quantity | None:
    """How many cameras or other sources of data a folded text names, from two on."""
    for match in _SOURCES.finditer(text):
        value = float(numeral(match.group(1)))
        if value >= 2:
            return Quantity(value, "", *around(text, match), match.group())
    return None


def numeral(word: str) -> int:
    """The number that a word such as "four", "4" or "4x" says; 0 for none."""
    digits = word.removesuffix("x")
    return int(digits) if digits.isdecimal() and len(digits) < 5 else _NUMERALS.get(word, 0)


def weights(text: str) -> Quantity | None:
    """The precision of weights that a folded text asks for, as `unit`."""
    for match in _WEIGHTS.finditer(text):
        kind, bits, plain_bits = match.groups()
        before, after = around(text, match)
        if plain_bits:
            near = {*before[-4:], *after[:3]}
            if set(after[:2]) & _NOT_WEIGHTS or set(before[-1:]) & _NOT_WEIGHTS:
                continue
            if plain_bits not in ("4", "8") and not any(w.startswith("quanti") for w in near):
                continue
        name = (
            f"int{plain_bits}" if plain_bits else ("int" if kind.startswith("i") else "fp") + bits
        )
        if name in _PRECISIONS:
            return Quantity(0.0, name, before, after, match.group())
    return None


def period_s(word: str) -> float:
    """Seconds of a span of time by its name; of a second where it is none."""
    return next((s for start, s in _longest_first(_PERIODS) if word.startswith(start)), 1.0)


def frame_rates(text: str) -> list[Quantity]:
    """Frames per second in a folded text."""
    return [quantity for quantity in _find("fps", text) if quantity.unit == "fps"]


def _find(kind: str, text: str) -> Iterator[Quantity]:
    for match in islice(_PATTERNS[kind].finditer(text), _MAX_FOUND):
        number, unit = match.groups()
        words = around(text, match)
        yield Quantity(number_of(number), unit or "", *words, match.group())


def _scaled(found: Quantity, units: dict[str, float]) -> Quantity:
    size = next(s for start, s in _longest_first(units) if found.unit.startswith(start))
    return replace(found, value=found.value * size)


def _longest_first(units: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(units.items(), key=lambda item: -len(item[0]))


def number_of(digits: str, *, whole: bool = False) -> float:
    """The value of "1,000", "0.5", "0,5", "1.000.000"; `whole` reads "1.000" as a thousand."""
    groups = re.split(r"[.,]", digits)
    thousands = len(groups) > 1 and groups[0] != "0" and all(len(g) == 3 for g in groups[1:])
    if thousands and (whole or "," in digits or len(groups) > 2):
        return float("".join(groups))
    return float(".".join(("".join(groups[:-1]), groups[-1])) if len(groups) > 1 else digits)


def around(text: str, match: re.Match[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The last words before a match in its sentence, and the first after it in its clause."""
    before = _SENTENCE_END.split(text[max(0, match.start() - 80) : match.start()])[-1]
    after = _CLAUSE_END.split(text[match.end() : match.end() + 80])[0]
    # Signs stand for words here: "< 100 ms".
    before = re.sub(r"[<≤]", " max ", before)
    return tuple(plain(before).split()[-6:]), tuple(plain(after).split()[:6])
