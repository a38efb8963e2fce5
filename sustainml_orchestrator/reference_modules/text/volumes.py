"""How much is to be processed, and how large a model is asked for, read from texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sustainml_orchestrator.reference_modules.text import quantities
from sustainml_orchestrator.reference_modules.text.words import fold, needle, plain

_MAGNITUDES = {"k": 1e3, "thousand": 1e3, "tausend": 1e3, "mil": 1e3, "mille": 1e3, "mila": 1e3,
               "m": 1e6, "mio": 1e6, "million": 1e6, "millions": 1e6, "millionen": 1e6,
               "millones": 1e6, "milhoes": 1e6, "milioni": 1e6, "miljoen": 1e6, "bn": 1e9,
               "billion": 1e9, "milliarden": 1e9, "milliards": 1e9}  # fmt: skip
_MAGNITUDE = rf"(?:[ -]?({'|'.join(sorted(_MAGNITUDES, key=len, reverse=True))})\b\.?)?"
_RECORDED = (
    r"audio|speech|record|call|talk|meeting|interview|podcast|lecture|voice|video|footage|film"
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
_SIZE = re.compile(
    quantities.NUMBER + r"[ -]?(b|bn|billion|milliarden|m|million|millionen)(?:[ -]?parameters?"
    r"|[ -]?parametern?|[ -]?params?|[ -]?parametros|[ -]?parametres)?(?![\w/])"
)
_SIZES = {"b": 1e9, "m": 1e6}
_MOST = 2**32 - 1
#: Numbers that are looked at: a text with more of them is a table.
_MAX_FOUND = 200
#: Fewer things without a period are what one inference is about, or a list of them.
_MANY = 1000


@dataclass(frozen=True)
class Volume:
    """A number of things to process."""

    count: int
    period: str  #: such as "night" or "month"; empty where none is named
    surface: str  #: as it stands in the folded text


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
        self._often: dict[str, str] = data["volume"]["often"]
        self._models = frozenset(data["model_words"])

    def volume(self, text: str) -> Volume | None:
        """The largest volume in a text; None for none."""
        found = list(self._volumes(fold(text)))
        return max(found, key=lambda v: (bool(v.period), v.count), default=None)

    def hours(self, text: str) -> Hours | None:
        """The longest recordings to process; None for none."""
        found = []
        for match in islice(_HOURS.finditer(fold(text)), _MAX_FOUND):
            number, magnitude, unit, period = match.groups()
            value = quantities.number_of(number, whole=True) * _MAGNITUDES.get(magnitude or "", 1.0)
            value *= quantities.period_s(unit) / 3600.0
            often = period or self._how_often(fold(text), match)
            before, after = quantities.around(fold(text), match)
            if 0 < value <= _MOST and (often or not self._is_own_data(before, after)):
                found.append(Hours(value, often, match.group()))
        return max(found, key=lambda each: each.hours, default=None)

    def size(self, text: str) -> ModelSize | None:
        """The size of model that a text asks for; None for none."""
        folded = fold(text)
        for match in _SIZE.finditer(folded):
            before, after = quantities.around(folded, match)
            unit = match.group(2)[0]
            named = "param" in match.group()
            # "70B", or "7 billion" and "500M" where a model is spoken of.
            if named or (set(before[-3:]) | set(after[:3])) & self._models:
                value = quantities.number_of(match.group(1)) * _SIZES.get(unit, 1e9)
                return ModelSize(value, match.group())
        return None

    def _volumes(self, text: str) -> Iterable[Volume]:
        for match in islice(_VOLUME.finditer(text), _MAX_FOUND):
            number, magnitude = match.groups()
            value = quantities.number_of(number, whole=True) * _MAGNITUDES.get(magnitude or "", 1.0)
            rest = re.sub(r"^(?:of|de|d') ?", "", text[match.end() : match.end() + 80])
            often = _THINGS.match(rest)
            words = often or _WORDS.match(rest)
            period = often.group(2) if often else self._how_often(text, match)
            if words is None or not 1 <= value <= _MOST:
                continue
            if not (self._is_thing(words.group(1)) if often else self._counts(words.group())):
                continue
            if period and quantities.period_s(period) < quantities.LONG_PERIOD:
                continue
            before, after = quantities.around(text, match)
            if not period and self._is_own_data(before, after):
                continue
            if period or value >= _MANY:
                yield Volume(int(value), period, match.group() + words.group())

    def _how_often(self, text: str, match: re.Match[str]) -> str:
        """The period of a word such as "nightly" in the same sentence."""
        sentence = re.split(r"[.;!?](?=\s|$)", text[match.start() : match.end() + 80])[0]
        words = plain(sentence).split()
        return next((self._often[word] for word in words if word in self._often), "")

    def _is_thing(self, things: str) -> bool:
        return not set(plain(things).split()) & self._no_things

    def _counts(self, things: str) -> bool:
        words = plain(things)
        return any(cue in words for cue in self._things)

    def _is_own_data(self, before: Iterable[str], after: Iterable[str]) -> bool:
        near = {*list(before)[-4:], *list(after)[:5]}
        return bool(near & self._own_data)
