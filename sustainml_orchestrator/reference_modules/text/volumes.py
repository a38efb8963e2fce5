"""How much is to be processed, and how large a model is asked for, read from texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sustainml_orchestrator.reference_modules.text import quantities
from sustainml_orchestrator.reference_modules.text.words import fold, needle, plain

_MAGNITUDE = rf"(?:[ -]?({'|'.join(sorted(quantities.MAGNITUDES, key=len, reverse=True))})\b\.?)?"
_RECORDED = (
    r"audio|speech|record|call|talk|meeting|interview|podcast|lecture|voice|radio|broadcast|archive|sound|song|music|video|footage|film"
    r"|aufnahme|gesprach|anruf|sprach|vorlesung|sitzung|grabacion|llamada|reunion|entrevista"
    r"|enregistrement|appel|entretien|registrazion|chiamat|riunion|gravac|chamada|opname"
)
_VOLUME = re.compile(quantities.NUMBER + _MAGNITUDE + r"[ -](?=[^\W\d_])")
#: The words after a number: up to four things, and perhaps how often.
_THINGS = re.compile(
    r"((?:[^\W\d_]+[ -]){0,3}?[^\W\d_]+)(?:, | )"
    + rf"{quantities.EACH} ?{quantities.PERIOD_WORDS}\b"
)
_WORDS = re.compile(r"[^\W\d_]+(?:[ -][^\W\d_]+){0,2}")
#: "500 hours of call recordings per month"
_HOURS = re.compile(
    quantities.NUMBER + _MAGNITUDE + r"[ -]?(hours?|h|minutes?|min|stunden?|minuten|horas?|minutos?"
    r"|heures?|ore|minuti|uur)(?: of| de| d'| di| van| an|')?(?: [^\W\d_]+){0,2}?"
    rf" ?(?:{_RECORDED})\w*"
    rf"(?:(?: [^\W\d_]+){{0,2}}?,? {quantities.EACH} ?{quantities.PERIOD_WORDS}\b)?"
)
#: After a number without things: "photos, 50,000 a day"
_BARE = re.compile(rf"{quantities.EACH} ?{quantities.PERIOD_WORDS}\b")
_EVERY = re.compile(
    r"\b(?:every|each|jede[nrs]?|cada|chaque|tous les|toutes les|ogni|elke|todas as|todos os"
    r"|todas las|todos los) "
    r"(days?|dias?|tag|jours?|giorn[oi]|nights?|nacht|noches?|nuits?|notte|noites?|weeks?|woche"
    r"|semanas?|semaines?|settimana|months?|monat|mes|mois|mese|years?|jahr|ano|an|annee|anno)\b"
)
#: "200 hours a month", where the recordings stand elsewhere in the text
_HOURS_OFTEN = re.compile(
    quantities.NUMBER + _MAGNITUDE + rf"[ -]?(hours?|h|stunden|horas|heures|ore|uur)(?:,? "
    rf"{quantities.EACH} ?|/){quantities.PERIOD_WORDS}\b"
)
_UNITS = r"(seconds?|secs?|minutes?|min|hours?|sekunden|minuten|stunden|minutos?|horas?|heures?)"
_SMALL = rf"(?<![\w.,])(\d{{1,5}}(?:[.,]\d{{1,3}})?|{'|'.join(quantities.NUMERALS)})"
_BETWEEN = (
    r"(?:of|lasting|each|von|je|de|d'une|di|a|with|about|up to|some|averaging|on average|etwa|unos"
    r"|environ|which|that|last)"
)
#: "10-minute calls", "calls of 5 minutes", "recordings, each 20 minutes long": how long each is
_EACH_LONG = re.compile(
    rf"{_SMALL}-{_UNITS}[ -](?:long )?(?:[^\W\d_]+ ){{0,2}}?(?:{_RECORDED}|clip)"
    rf"|\b(?:{_RECORDED}|clip)\w*,?(?: {quantities.EACH} {quantities.PERIOD_WORDS},?)?"
    rf"(?: {_BETWEEN}){{1,4}} {quantities.NUMBER}[ -]"
    rf"{_UNITS}\b(?!,? (?:per|an?|pro|por|par|al) )"
    rf"|{quantities.NUMBER} {_UNITS} (?:each|je|cada una?|chacune?|ciascun[oa])\b"
)
#: "Forecast the demand of 200 stations": so many series
_SERIES = re.compile(
    r"(?:[,(]|\b(?:for|of|across|in|at|from|fur|von|para|de|pour|per|di|van|over)"
    rf"(?: (?:each of|all|our|the|its))*) {quantities.NUMBER} (?=([^\W\d_]{{3,}}(?: [^\W\d_]+)?))"
)
_RECORDS = re.compile(rf"\b(?:transcri|transkri|transcrev|{_RECORDED})")
#: Of these, "8 hours a day" may be how long it runs.
_ON = frozenset({"runs", "run", "running", "on", "works", "open", "operates", "operating", "lauft"})
#: "8x22B": experts that share a part of their weights, as in Mixtral (46.7B of 8x7B, 141B of
#: 8x22B).
_EXPERTS = re.compile(r"\b(\d{1,3}) ?x ?(\d{1,3})b\b")
_SHARED = 0.82
_SIZE = re.compile(
    quantities.NUMBER + r"[ -]?(b|bn|bi?llions?|milliarden|milliards|miliardi|mil millones|m"
    r"|mil+ion(?:s|en|es|i)?|milhoes)(?:[ -]?(?:de |di |d')?param\w*)?(?![\w/])"
)
_TUNED = frozenset({"tune", "tuning", "finetune", "finetuning", "pretrain", "pretraining"})
_MOST = 2**32 - 1
#: Numbers that are looked at: a text with more of them is a table.
_MAX_FOUND = 200
#: Fewer things without a period are what one inference is about, or a list of them.
_MANY = 100
#: After a number and a hyphen: how long each of the things is.
_MEASURES = ("word", "page", "token", "second", "sec", "minute", "min", "hour", "day", "month",
             "year", "sekunden", "minuten", "stunden", "pixel", "megapixel")  # fmt: skip
_PER = frozenset({"per", "pro", "por", "par", "je"})
#: Before what is asked about.
_OWN = frozenset({"our", "my", "the", "all", "these", "unsere", "unseren", "nuestros", "nos"})


@dataclass(frozen=True)
class Volume:
    """A number of things to process."""

    count: int
    period: str  #: such as "night" or "month"; empty where none is named
    surface: str  #: as it stands in the folded text
    corpus: bool = False  #: whether questions are asked about them


@dataclass(frozen=True)
class Hours:
    """A length of recordings to process."""

    hours: float
    period: str  #: such as "month"; empty where none is named
    surface: str  #: as it stands in the folded text


@dataclass(frozen=True)
class ModelSize:
    """A number of parameters asked for."""

    parameters: float
    surface: str


class VolumeWords:
    """Finds volumes and sizes of models in texts."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        """Read the parsed `requirements.yaml`.

        Raises:
            KeyError: it lacks a part.
        """
        self._things = [needle(cue) for cue in data["volume"]["things"]]
        self._no_things = frozenset(data["no_things"])
        self._own_data = frozenset(data["volume"]["own_data"])
        self._corpus_before = frozenset(data["volume"]["corpus_before"])
        self._collections = frozenset(data["volume"]["collections"])
        self._corpus_asks = [needle(cue) for cue in data["volume"]["corpus_asks"]]
        self._often: dict[str, str] = data["volume"]["often"]
        self._models = frozenset(data["model_words"])

    def volume(self, text: str) -> Volume | None:
        """The largest volume in a text; None for none."""
        folded = fold(text)
        found = [v for v in self._volumes(folded) if not v.corpus]
        most = max(found, key=lambda v: (bool(v.period), v.count), default=None)
        return most or self._series(folded)

    def corpus(self, text: str) -> Volume | None:
        """The largest number of things about which questions are asked; None for none."""
        found = [v for v in self._volumes(fold(text)) if v.corpus]
        return max(found, key=lambda v: v.count, default=None)

    def hours(self, text: str) -> Hours | None:
        """The longest recordings to process; None for none."""
        folded, found = fold(text), []
        if self.length(text):
            return None
        spans = list(islice(_HOURS.finditer(folded), _MAX_FOUND))
        if not spans and _RECORDS.search(folded):
            of_day = (m for m in _HOURS_OFTEN.finditer(folded) if quantities.period_s(m[4]) > 9e4)
            spans = [m for m in of_day if not set(quantities.around(folded, m)[0][-2:]) & _ON]
        for match in spans:
            number, magnitude, unit, period = match.groups()
            value = quantities.number_of(number, whole=True) * quantities.MAGNITUDES.get(
                magnitude or "", 1.0
            )
            value *= quantities.period_s(unit) / 3600.0
            often = period or self._how_often(folded, match)
            before, after = quantities.around(folded, match)
            if {*before[-1:]} & {*_PER, "every", "each"}:
                continue  # "calls per half hour"
            if 0 < value <= _MOST and (often or not self._is_own_data(before, after)):
                found.append(Hours(value, often, match.group()))
        return max(found, key=lambda each: each.hours, default=None)

    def length(self, text: str) -> Hours | None:
        """How long each recording is; None where nothing tells."""
        match = _EACH_LONG.search(fold(text))
        if not match:
            return None
        number, unit = match[1] or match[4] or match[6], match[2] or match[5] or match[7]
        value = quantities.NUMERALS.get(number) or quantities.number_of(number)
        hours = value * quantities.period_s(unit) / 3600.0
        return Hours(hours, "", match.group())

    def _series(self, text: str) -> Volume | None:
        """Of how many series a forecast is wanted, each an inference of its own."""
        if not (quantities.FORECAST.search(text) or quantities.horizon(text)):
            return None
        for match in islice(_SERIES.finditer(text), _MAX_FOUND):
            count, things = quantities.number_of(match[1], whole=True), match[2]
            if 1 < count <= _MOST and self._is_thing(things):
                return Volume(int(count), "", match.group() + things)
        return None

    def size(self, text: str) -> ModelSize | None:
        """The size of model that a text asks for; None for none."""
        folded = fold(text)
        if experts := _EXPERTS.search(folded):
            total = float(experts[1]) * float(experts[2]) * _SHARED * 1e9
            return ModelSize(total, experts.group())
        for match in _SIZE.finditer(folded):
            before, after = quantities.around(folded, match)
            unit = match.group(2)
            millions = unit == "m" or unit.startswith(("million", "millones", "milioni", "milh"))
            named = "param" in match.group()
            # "70B", or "7 billion" and "500M" where a model is spoken of.
            of_llm = unit == "b" and not {"llm", "llms"}.isdisjoint(plain(folded).split())
            if named or of_llm or (set(before[-3:]) | set(after[:3])) & self._models:
                value = quantities.number_of(match.group(1)) * (1e6 if millions else 1e9)
                return ModelSize(value, match.group())
        return None

    def _volumes(self, text: str) -> Iterable[Volume]:
        for match in islice(_VOLUME.finditer(text), _MAX_FOUND):
            number, magnitude = match.groups()
            value = quantities.number_of(number, whole=True) * quantities.MAGNITUDES.get(
                magnitude or "", 1.0
            )
            rest = re.sub(r"^(?:(?:of|de) |d' ?)", "", text[match.end() : match.end() + 80])
            often = _THINGS.match(rest)
            words = often or _WORDS.match(rest)
            if text[match.end() - 1] == "-" and rest.startswith(_MEASURES):
                continue  # "1,100-word stories" are no 1,100 of them
            period = often.group(2) if often else self._how_often(text, match)
            if bare := _BARE.match(text[match.end() :]):
                long = quantities.period_s(bare[1]) >= quantities.LONG_PERIOD
                if long and value <= _MOST and text[: match.start()].strip()[-1:] not in "€$£":
                    yield Volume(int(value), bare[1], match.group() + bare.group())
                continue
            if words is None or not 1 <= value <= _MOST:
                continue
            if not (self._is_thing(words.group(1)) if often else self._counts(words.group())):
                continue
            if period and quantities.period_s(period) < quantities.LONG_PERIOD:
                continue
            before, after = quantities.around(text, match)
            held = bool({*before[-3:]} & self._collections)
            if not period and not held and self._is_own_data(before, after):
                continue
            if period or value >= _MANY or (value > 1 and _EACH_LONG.search(text)):
                asked = [word for word in before if word not in _OWN][-1:]
                corpus = not period and bool(asked) and asked[0] in self._corpus_before
                corpus = corpus and any(cue in plain(text) for cue in self._corpus_asks)
                corpus = corpus or (held and not period)
                yield Volume(int(value), period, match.group() + words.group(), corpus)

    def _how_often(self, text: str, match: re.Match[str]) -> str:
        """The period of a word such as "nightly" in the same sentence."""
        sentence = re.split(r"[.;!?](?=\s|$)", text[match.start() : match.end() + 80])[0]
        words = plain(sentence).split()
        # How often it is trained says nothing of how often it is used.
        used = (w for before, w in zip(["", *words], words, strict=False) if "train" not in before)
        often = next((self._often[word] for word in used if word in self._often), "")
        every = _EVERY.search(plain(sentence))
        return often or (every[1] if every else "")

    def _is_thing(self, things: str) -> bool:
        return not set(plain(things).split()) & self._no_things

    def _counts(self, things: str) -> bool:
        words = plain(things)
        # "100 ms per board" is of each of them.
        return not _PER & {*words.split()} and any(cue in words for cue in self._things)

    def _is_own_data(self, before: Iterable[str], after: Iterable[str]) -> bool:
        before = list(before)
        near = {*before[-4:], *list(after)[:5]}
        # "Fine-tune Llama 3.1 8B on 50,000 tickets": a name may stand between.
        return bool(near & self._own_data or _TUNED & {*before})
