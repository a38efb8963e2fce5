"""What an application demands, as `key:value` strings; the module docstring lists the keys."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sustainml_orchestrator.core import credentials
from sustainml_orchestrator.reference_modules.text import quantities
from sustainml_orchestrator.reference_modules.text.numerals import in_digits
from sustainml_orchestrator.reference_modules.text.problem import Problem, UnclearError, choice
from sustainml_orchestrator.reference_modules.text.resolutions import resolutions, voxels, without
from sustainml_orchestrator.reference_modules.text.volumes import Volume, VolumeWords
from sustainml_orchestrator.reference_modules.text.words import (
    fold,
    needle,
    places,
    plain,
    preceded,
)

#: Things to be processed that are pages of text.
_PAGES = re.compile(r"\b(?:pages?|seiten|paginas?)\b")
#: They may stand before the name of a language.
_ARTICLES = ("the", "le", "la", "el", "il", "lo", "das", "o", "het")


class DemandCatalogue:
    """The phrases of the parsed `requirements.yaml`.

    Raises:
        KeyError: it lacks a part.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._negations = frozenset(data["negations"])
        self._phrases = _needles(data["phrases"])
        self.cues = frozenset(cue.strip() for each in self._phrases.values() for cue in each)
        self._languages = _needles(data["languages"])
        outright = (several for line, several in data["phrases"].items()
                    if line.startswith(("deployment:", "regulation:", "licence:")))  # fmt: skip
        self._outright = [c for each in (*data["languages"].values(), *outright) for c in each]
        self._language_before = frozenset(data["language_before"])
        self._into = frozenset(data["language_into"])
        self._metrics = _needles(data["metrics"])
        self._bounds = frozenset(data["bounds"])
        self._latency = frozenset(data["latency"])
        self._directly = frozenset(data["latency_directly_before"])
        self._duration = frozenset(data["duration"])
        things = [*data["throughput"]["things"], *data["volume"]["things"]]
        self._things = [needle(cue) for cue in dict.fromkeys(things)]
        self._each = frozenset(data["throughput"]["each"])
        self._no_things = frozenset(data["no_things"])
        self._total = frozenset(data["throughput"]["total"])
        self._not_power = frozenset(data["not_power"])
        self._people, self._written = frozenset(data["people"]), frozenset(data["written"])
        self.volumes = VolumeWords(data)
        self._interactive = {
            use: ({k: float(v) for k, v in each.items() if k != "cues"},
                  [needle(cue) for cue in each["cues"]])
            for use, each in data["interactive"].items()
        }  # fmt: skip

    @property
    def requirements(self) -> list[str]:
        """Every requirement that a phrase can state."""
        return list(self._phrases)

    @property
    def named_outright(self) -> list[str]:
        """Cues that need nothing around them: of languages, laws, licences and places of use."""
        return self._outright

    def read(self, problem: Problem) -> list[str]:
        """The demands of a problem, without repetitions."""
        return [line for line, _ in self.understood(problem)]

    def understood(self, problem: Problem) -> list[tuple[str, str]]:
        """The demands, each with the passage of the folded text that states it, where one does."""
        text = demanding(problem)
        folded, words = fold(text), plain(text)
        sizes = resolutions(folded)
        folded = without(folded, sizes)
        found = [
            *((line, "") for line in _from_fields(problem)),
            *((f"resolution:{s.width}x{s.height}", s.surface) for s in sizes),
            *((f"voxels:{sides}", stated) for sides, stated in [voxels(folded)] if sides),
            *self._quantities(folded),
            *self._volume(problem, folded),
            *((line, stated) for line, cues in self._phrases.items()
              if (stated := self._stated(cues, words))),
            *self._waiting(words),
            *((f"language:{code}", "") for code, cues in self._languages.items()
              if self._speaks(cues, words)),
            *((f"language_to:{code}", "") for code in self._targets(words)),
        ]  # fmt: skip
        return list(dict.fromkeys(found))

    def _volume(self, problem: Problem, text: str) -> Iterator[tuple[str, str]]:
        volume = self.volumes.volume(text)
        if volume:
            if not problem.maximum_samples:
                yield f"maximum_samples:{volume.count}", volume.surface
            if volume.period:
                yield f"volume_period:{volume.period}", volume.surface
        hours = None if volume or problem.maximum_samples else self.volumes.hours(text)
        if hours:
            yield f"volume_hours:{hours.hours:g}", hours.surface
            if hours.period:
                yield f"volume_period:{hours.period}", hours.surface
        yield from self._sizes(text, volume)

    def _sizes(self, text: str, volume: Volume | None) -> Iterator[tuple[str, str]]:
        """How large a thing is, how many are asked about, and how large the model shall be."""
        if lasting := self.volumes.length(text):
            yield f"recording_length:{lasting.hours * 3600.0:g}", lasting.surface
        if corpus := self.volumes.corpus(text):
            yield f"corpus_size:{corpus.count}", corpus.surface
        if size := self.volumes.size(text):
            yield f"model_size:{size.parameters:g}", size.surface
        length = quantities.text_length(text)
        if volume and not length and _PAGES.search(volume.surface):
            yield f"text_length:{quantities.TOKENS_OF_A_PAGE:g}", volume.surface
        if length:
            yield f"text_length:{length.value:g}", length.surface

    def _waiting(self, words: str) -> Iterator[tuple[str, str]]:
        """The response time and rate assumed for a use in which a person waits for the answer."""
        for use, (about, cues) in self._interactive.items():
            if self._stated(cues, words):
                yield f"interactive:{about['seconds']:g}", ""
                yield f"interactive_use:{use}", ""
                if about["tokens_per_second"]:
                    yield f"interactive_rate:{about['tokens_per_second']:g}", ""
                if "most_parameters" in about:
                    yield f"most_parameters:{about['most_parameters']:g}", ""
                return

    def _stated(self, cues: Iterable[str], words: str) -> str:
        """The first phrase that stands in the text without a negation before it; else nothing."""
        return next(
            (cue.strip() for cue in cues for at in places(cue, words)
             if not preceded(words, at, self._negations)),
            "",
        )  # fmt: skip

    def _speaks(self, cues: Iterable[str], words: str) -> bool:
        """Whether a language is named, and not only a country's people or things."""
        for cue in cues:
            for at in places(cue, words):
                after = words[at + 1 : at + 60].split()[1:3]
                if preceded(words, at, self._language_before, within=1):
                    return True
                people = bool(after) and after[0].startswith(tuple(self._people))
                # "Swedish customer mails" are in Swedish; Swedish customers may write in any.
                if not people or after[-1].startswith(tuple(self._written)):
                    return True
        return False

    def _targets(self, words: str) -> list[str]:
        """The languages into which to translate: "into Spanish, French and Italian"."""
        named = sorted((at, at + len(c.rstrip()), code) for code, cues in self._languages.items()
                       for c in cues for at in places(c, words))  # fmt: skip
        found, end = [], -1
        for at, ends, code in named:
            between = words[end : at + 1].split() if end >= 0 else ["?"]
            listed = len(between) < 2 and set(between) <= self._language_before
            before = words[max(0, at - 80) : at + 1].split()
            while before and before[-1] in _ARTICLES:
                before.pop()
            if listed or (before and before[-1] in self._into):
                found.append(code)
                end = ends
        return list(dict.fromkeys(found))

    def _quantities(self, text: str) -> Iterator[tuple[str, str]]:
        tokens = quantities.token_rate(text)
        if tokens:
            yield f"min_token_rate:{tokens.value:g}", tokens.surface
            text = text.replace(tokens.surface, " ")
        yield from self._times(text)
        rates = quantities.frame_rates(text) + quantities.loop_rates(text) + [
            q for q, things, each in quantities.rates(text)
            if quantities.period_s(q.unit) < quantities.LONG_PERIOD and (
                not things or (each in ("/", *self._each) and self._counts_in(things, text)))
        ]  # fmt: skip
        if any(q.value for q in rates):
            most = max(rates, key=lambda q: q.value)
            sources = quantities.sources(text)
            # "four cameras at 25 fps": so many pictures a second of each of them
            together = sources.value if sources and not self._is_total(most) else 1.0
            yield f"min_throughput:{most.value * together:g}", most.surface
            if sources:
                yield f"min_throughput:{most.value * together:g}", sources.surface
        weights = quantities.weights(text)
        if weights:
            yield f"weights:{weights.unit}", weights.surface
        powers = [q for q in quantities.powers(text) if q.value and self._is_power(q)]
        if powers:
            least = min(powers, key=lambda q: q.value)
            yield f"max_power:{least.value:g}", least.surface
        for quantity in quantities.shares(text):
            metric = self._metric(quantity)
            if metric:
                yield f"min_{metric}:{quantity.value:g}", quantity.surface

    def _times(self, text: str) -> Iterator[tuple[str, str]]:
        times = [q for q in quantities.times(text) if q.value]
        if first := next((q for q in times if quantities.is_first_token(q)), None):
            yield f"max_first_token:{first.value:g}", first.surface
        ahead = quantities.horizon(text)
        if ahead:
            yield f"horizon:{ahead.value:g}", ahead.surface
        latencies = [q for q in times if q is not first and self._is_latency(q)]
        if latencies:
            least = min(latencies, key=lambda q: q.value)
            yield f"max_latency:{least.value:g}", least.surface

    def _is_power(self, quantity: quantities.Quantity) -> bool:
        """Whether a power is what the solution may draw, not that of a lamp or a motor."""
        if quantity.before[-1:] == ("zero",):  # Raspberry Pi Zero 2 W
            return False
        return not {*quantity.before[-2:], *quantity.after[:2]} & self._not_power

    def _is_latency(self, quantity: quantities.Quantity) -> bool:
        near, after = set(quantity.before[-3:]), set(quantity.after[:3])
        if {*quantity.before[-4:], *quantity.after[:2]} & self._duration:
            return False
        named = bool(set(quantity.before) & self._latency or after & self._latency)
        if quantity.unit.startswith("min") and not quantity.unit.startswith("mil"):
            return named and bool(near & self._bounds)
        each, *things = quantity.after[:2] or ("",)
        if each in self._each and self._counts(" ".join(things)):
            return True  # so long for each of them
        if not quantity.unit.startswith("s"):
            return True  # so short a time is hardly anything else
        bounded = bool(near & self._bounds or set(quantity.before[-1:]) & self._directly)
        return bounded or named

    def _counts(self, things: str) -> bool:
        words = plain(things)
        return any(cue in words for cue in self._things)

    def _counts_in(self, things: str, text: str) -> bool:
        """Whether things are processed: such as are known, or such as the text speaks of again."""
        last = plain(things).split()[-1:]
        stem = last[0].removesuffix("s") if last else ""
        return self._counts(things) or (
            len(stem) > 3 and stem not in self._no_things and plain(text).count(f" {stem}") > 1
        )

    def _is_total(self, quantity: quantities.Quantity) -> bool:
        return bool({*quantity.before[-3:], *quantity.after[:3]} & self._total)

    def _metric(self, quantity: quantities.Quantity) -> str:
        """The metric named right after the number, else before it; empty if there is none."""
        for words in (quantity.after[:2], quantity.before[-5:]):
            text = f" {' '.join(words)} "
            for metric, cues in self._metrics.items():
                if any(cue in text for cue in cues):
                    return metric
        return ""


def demanding(problem: Problem) -> str:
    """The parts of a problem that state demands, with its numbers in digits."""
    return in_digits(f"{problem.title} . {problem.definition} . {problem.outputs}")


def counting(problem: Problem) -> str:
    """What of it tells how many there are, folded: "4K video" names a size, not a number."""
    folded = fold(demanding(problem))
    return without(folded, resolutions(folded))


def passed_on(problem: Problem) -> dict[str, Any]:
    """The user's extra_data for the modules that follow: no credentials, with the wish for carbon.

    Raises:
        UnclearError: it is nested too deeply to be sent on.
    """
    try:
        extra = dict(credentials.strip(problem.extra)[0])
    except RecursionError as error:
        raise UnclearError("extra_data is nested too deeply; flatten it") from error
    extra["optimize_carbon_footprint_auto"] = problem.optimise_auto
    extra["optimize_carbon_footprint_manual"] = problem.optimise_manual
    extra["desired_carbon_footprint"] = problem.desired_carbon_kg
    return extra


def checked(lines: Collection[Any]) -> list[str]:
    """Requirements given by hand.

    Raises:
        ValueError: one is no `key:value` string.
    """
    for line in lines:
        key, colon, value = line.partition(":") if isinstance(line, str) else ("", "", "")
        if not (key.strip() and colon and value.strip()):
            raise ValueError(f"requirement {line!r} is not of the form key:value")
    return list(dict.fromkeys(lines))


def _from_fields(problem: Problem) -> Iterator[str]:
    if problem.minimum_samples:
        yield f"minimum_samples:{problem.minimum_samples}"
    if problem.maximum_samples:
        yield f"maximum_samples:{problem.maximum_samples}"
    if problem.desired_carbon_kg > 0:
        yield f"max_carbon_footprint:{problem.desired_carbon_kg:g}"
    if problem.optimise_auto or problem.optimise_manual:
        yield "optimise:carbon"
    metric = choice(problem.extra.get("metric"))
    if metric:
        yield f"metric:{metric}"


def _needles(cues: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    return {name: [needle(cue) for cue in entries] for name, entries in cues.items()}
