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
            "se": 1.0, "shi": 28_800.0, "schi": 28_800.0, "tur": 28_800.0,
            "qu": 7889400.0, "tri": 7889400.0, "kwa": 7889400.0}  # fmt: skip
#: Words for thousands and more.
MAGNITUDES = {"k": 1e3, "thousand": 1e3, "tausend": 1e3, "mil": 1e3, "mille": 1e3, "mila": 1e3,
              "m": 1e6, "mio": 1e6, "million": 1e6, "millions": 1e6, "millionen": 1e6,
              "millones": 1e6, "milhoes": 1e6, "milioni": 1e6, "miljoen": 1e6, "bn": 1e9,
              "billion": 1e9, "billions": 1e9, "milliarden": 1e9, "milliards": 1e9,
              "miliardi": 1e9, "miljard": 1e9}  # fmt: skip
#: Things in so long a time are a volume, which may wait, not a rate.
LONG_PERIOD = 86_400.0
PERIOD_WORDS = (
    r"(s|sec|seconds?|segundos?|sekunden?|secondes?|secondi|secondo|min|minutes?|minutos?|minuten?"
    r"|minuti|h|hours?|horas?|stunden?|heures?|ore|ora|days?|dias?|tag|tage|jours?|giorn[oi]"
    r"|weeks?|woche|semanas?|semaines?|settimane?|settimana"
    r"|months?|monat|mes|mois|mese|maand|years?|jahr|ano|an|annee|anno|jaar"
    r"|nights?|nacht|noche|nuit|notte|noite|shifts?|schicht|turno|quarters?|quartal|trimestres?|kwartaal)"
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
#: "5 V 0.5 A", "12 V, 500 mA"
_VOLTS = re.compile(
    rf"{NUMBER} ?v(?:olts?)?(?:[ ,/x]|at|,)+{NUMBER} ?(m?)a(?:mps?|mperes?)?(?![\w/])"
)
#: Words for "per".
EACH = r"(?:per|an?|each|every|pro|por|par|al|alla|je|jede[nrs]?|cada|chaque|ogni|del?|/)"
_MAGNITUDE = "|".join(sorted(MAGNITUDES, key=len, reverse=True))
#: "tweets, 500 per minute": no money, and no number of another thing.
_BARE = re.compile(
    rf"(?<![€$£])(?<![€$£] ){NUMBER}(?! ah\b)(?: ?({_MAGNITUDE}))?(?: {EACH} ?|/){PERIOD_WORDS}\b"
)
#: Things per time, and large numbers of things.
COUNTED = (
    re.compile(NUMBER + rf"k? ?{THINGS} ?(?:/|\b{EACH} ){PERIOD_WORDS}\b"),
    re.compile(
        NUMBER + r"k? (?:million\w*|millon\w*|milhoes|milioni|thousand|tausend|billion) \w+"
    ),
)
#: Words for small numbers.
NUMERALS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
             "ten": 10, "twelve": 12, "zwei": 2, "drei": 3, "vier": 4, "funf": 5, "sechs": 6,
             "acht": 8, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "ocho": 8,
             "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "huit": 8, "due": 2,
             "tre": 3, "quattro": 4,
             "cinque": 5, "otto": 8}  # fmt: skip
_SOURCES = re.compile(
    rf"(?<![\w.,])(\d{{1,4}}|{'|'.join(NUMERALS)})(?: [^\W\d_]+)?? +"
    r"(?:cameras?|camaras?|kameras?|telecamere|streams?|video ?streams?|webcams?|channels|kanale)\b"
)
_PRECISIONS = ("fp32", "fp16", "int8", "int4")
_WEIGHTS = re.compile(
    r"(?<![\w.])(?:(fp|float|bf|int|uint|w)[ -]?(32|16|8|4)(?:a(?:8|16))?|(4|8)[ -]?bits?)(?![\w/])"
)
#: What an 8-bit thing may be that is no model.
_KINDS = {"int": "int", "uint": "fp", "w": "w"}
_NOT_WEIGHTS = frozenset({
    "adc", "dac", "microcontroller", "microcontrollers", "mcu", "mcus", "avr", "processor", "cpu",
    "colour", "color", "colours", "depth", "image", "images", "picture", "pictures", "grey", "gray",
    "greyscale", "grayscale", "audio", "pcm", "sensor", "sensors", "resolution", "samples", "rgb",
    "bus", "register", "registers", "controller", "console", "game", "games", "music", "per",
})  # fmt: skip
#: "20 tokens per second", "300 ms per token"
_TOKENS = re.compile(
    NUMBER + r" ?(?:tokens?|tok|jetons)(?:/| ?(?:per|a|pro|por|par|al) )s(?:e[ckg]\w*)?\b"
    rf"|{NUMBER} ?(ms|milli\w+|s|sec\w*) ?(?:/|(?:per|pro|por|par|a|each|for each) )(?:token|jeton)"
)
#: "300-page contracts", "5,000 words long", "reports of 40 pages", "a context of 32,000 tokens"
_LENGTH = re.compile(
    rf"{NUMBER}(?:-| (?=\w+ (?:long|each)\b))(page|word|token)s?\b"
    rf"|\b(?:of|with|having|von|mit|de|con|avec) (?:about |up to |some |etwa |bis zu )?{NUMBER} "
    r"(page|word|token|seite|wort|pagina|palabra|mot)\w*(?! (?:per|an?|each|pro|por|par|al) )"
)
#: "6k tokens of diff"
_AMOUNT = re.compile(rf"{NUMBER} ?(k?) ?tokens? (?:of|each|per (?!s))")
#: Tokens of a page of 500 words, and of a word of English, by the beginning of its name.
TOKENS_OF_A_PAGE = 650.0
_TOKENS_OF = {
    "palabra": 1.3,
    "p": TOKENS_OF_A_PAGE,
    "seite": TOKENS_OF_A_PAGE,
    "token": 1.0,
    "w": 1.3,
    "mot": 1.3,
}
#: More are no text that goes in at once.
_LONGEST_TEXT = 1e6
#: "within 500 ms for the first token", "time to first token below 1 s"
_FIRST = ("first token", "ttft", "erste token", "erstes token", "premier token", "primer token")
#: "in the next 48 hours", "7 days ahead", "within 30 days"
_HORIZON = re.compile(
    rf"\b(?:next|coming|following|within|nachsten|kommenden|proxim[oa]s|prochain\w*|prossim[ie]"
    rf"|komende|dans les|en|entro) {NUMBER} {PERIOD_WORDS}\b"
    rf"|{NUMBER}[ -]{PERIOD_WORDS}[ -](?:ahead|in advance|horizon|out|im voraus|forecasts?)\b"
)
#: What is about the future.
FUTURE = re.compile(
    r"\b(?:forecast|predict|will\b|vorhers|prognos|pronostic|prever|previs|predec|predic|prevoi"
    r"|anticip|voorspel)"
)
FORECAST = re.compile(r"\b(?:forecast|vorhers|prognos|pronostic|prever|previs|prevoi|voorspel)")
_HERTZ = re.compile(NUMBER + r" ?(k?)hz\b")
_CONTROL = ("control", "loop", "policy", "steer", "regel", "steuer", "commande", "inference")
#: Beside these a frequency is that of pictures, as long as one sees so many.
_SHOWN = ("headset", "camera", "kamera", "video", "refresh", "glasses", "display")
_MOST_SEEN = 240.0
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
    """Powers in a folded text, in W; also those told as "5 V 0.5 A"."""
    found = [_scaled(found, _POWER) for found in _find("power", text)]
    for match in islice(_VOLTS.finditer(text), _MAX_FOUND):
        amperes = number_of(match[2]) * (1e-3 if match[3] else 1.0)
        value = number_of(match[1]) * amperes
        found.append(Quantity(value, "w", *around(text, match), match.group()))
    return found


def shares(text: str) -> list[Quantity]:
    """Numbers between 0 and 1 and percentages in a folded text, as shares of 1."""
    found = (replace(q, value=q.value / 100 if q.unit else q.value) for q in _find("share", text))
    return [q for q in found if 0 < q.value <= 1 and (q.unit or q.value < 1)]


def rates(text: str) -> list[tuple[Quantity, str, str]]:
    """Things per time in a folded text: how many (1/s), the things, and the word for "per"."""
    found = []
    for match in islice(_PATTERNS["rate"].finditer(text), _MAX_FOUND):
        number, kilo, things, each, period = match.groups()
        magnitude, _, rest = things.partition(" ")
        if rest and len(magnitude) > 1 and magnitude in MAGNITUDES:
            kilo, things = magnitude, rest
        value = number_of(number, whole=True) * MAGNITUDES.get(kilo, 1.0) / period_s(period)
        quantity = Quantity(value, period, *around(text, match), match.group())
        found.append((quantity, things, each.strip()))
    for match in islice(_BARE.finditer(text), _MAX_FOUND):
        number, magnitude, period = match.groups()
        value = number_of(number, whole=True) * MAGNITUDES.get(magnitude or "", 1.0)
        words = around(text, match)
        found.append((Quantity(value / period_s(period), period, *words, match.group()), "", ""))
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
    return int(digits) if digits.isdecimal() and len(digits) < 5 else NUMERALS.get(word, 0)


def weights(text: str) -> Quantity | None:
    """The precision of weights that a folded text asks for, as `unit`."""
    for match in _WEIGHTS.finditer(text):
        kind, bits, plain_bits = match.groups()
        before, after = around(text, match)
        if plain_bits:
            near = {*before[-4:], *after[:3]}
            if after[0:1] and after[0].startswith(("pic", "avr", "atmega", "attiny", "stm8")):
                continue
            if set(after[:2]) & _NOT_WEIGHTS or set(before[-1:]) & _NOT_WEIGHTS:
                continue
            if plain_bits not in ("4", "8") and not any(w.startswith("quanti") for w in near):
                continue
        name = f"int{plain_bits}" if plain_bits else _KINDS.get(kind, "fp") + bits
        # As many bytes, and at the same rate where a device computes in both.
        name = {"fp8": "int8", "fp4": "int4", "w8": "int8", "w4": "int4"}.get(name, name)
        if name in _PRECISIONS:
            return Quantity(0.0, name, before, after, match.group())
    return None


def token_rate(text: str) -> Quantity | None:
    """Tokens per second that a folded text asks for, told so or as a time for each token."""
    for match in islice(_TOKENS.finditer(text), _MAX_FOUND):
        number, each, unit = match.groups()
        value = number_of(number or each)
        if value and unit:
            value = 1.0 / (value * (1e-3 if unit.startswith("m") else 1.0))
        if value:
            return Quantity(value, "", *around(text, match), match.group())
    return None


def text_length(text: str) -> Quantity | None:
    """Tokens of the longest text that goes in at once, by its pages or words in a folded text."""
    found = []
    for match in islice(_LENGTH.finditer(text), _MAX_FOUND):
        number, unit = match[1] or match[3], match[2] or match[4]
        each = next(t for start, t in _TOKENS_OF.items() if unit.startswith(start))
        value = number_of(number, whole=True) * each
        if value <= _LONGEST_TEXT:
            found.append(Quantity(value, "", *around(text, match), match.group()))
    for match in islice(_AMOUNT.finditer(text), _MAX_FOUND):
        value = number_of(match[1], whole=True) * MAGNITUDES.get(match[2], 1.0)
        if value <= _LONGEST_TEXT:
            found.append(Quantity(value, "", *around(text, match), match.group()))
    return max(found, key=lambda q: q.value, default=None)


def is_first_token(quantity: Quantity) -> bool:
    """Whether a time is that until the first token of what generates text."""
    near = f"{' '.join(quantity.before)} {' '.join(quantity.after[:4])}"
    return any(cue in near for cue in _FIRST)


def horizon(text: str) -> Quantity | None:
    """How far ahead a folded text wants to look, in s."""
    match = _HORIZON.search(text) if FUTURE.search(text) else None
    if not match:
        return None
    number, unit = match[1] or match[3], match[2] or match[4]
    value = number_of(number) * period_s(unit)
    return Quantity(value, unit, *around(text, match), match.group())


def loop_rates(text: str) -> list[Quantity]:
    """How often a second something is controlled, in a folded text: "a 1 kHz control loop"."""
    found = []
    for match in islice(_HERTZ.finditer(text), _MAX_FOUND):
        words = around(text, match)
        value = number_of(match[1]) * (1e3 if match[2] else 1.0)
        cues = (*_CONTROL, *(_SHOWN if value <= _MOST_SEEN else ()))
        if any(word.startswith(cues) for word in (*words[0], *words[1])):
            found.append(Quantity(value, "fps", *words, match.group()))
    return found


def period_s(word: str) -> float:
    """Seconds of a span of time by its name; of a second where it is none."""
    return next((s for start, s in _longest_first(_PERIODS) if word.startswith(start)), 1.0)


def english_period(word: str) -> str:
    """The English name of a span of time: "jour" is a day."""
    known = {604800.0: "week", 2629800.0: "month", 7889400.0: "quarter", 31557600.0: "year"}
    night = word.startswith(("n", "no")) and period_s(word) == LONG_PERIOD
    name = "night" if night else known.get(period_s(word), "day")
    return name if word else ""


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
