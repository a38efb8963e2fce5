"""Chooses the ML task of a problem by its likeness to examples (`likeness.py`).

The likeness is a share for each task, for each kind of problem that the catalogue lacks, and for
texts that state no problem. A task that does not fit the field `modality` keeps a small part of its
share. The *confidence* in the best task is

    confidence = best / (best + runner-up + doubt + no_problem * share of no problem)

so that it is low where nothing is like the text, where two tasks are close, and where the text is
like those that state no problem. It says how clear the text is; it is not a probability.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sustainml_orchestrator.reference_modules.text.likeness import NONE, Likeness
from sustainml_orchestrator.reference_modules.text.model_names import ModelNames
from sustainml_orchestrator.reference_modules.text.parts import two_parts
from sustainml_orchestrator.reference_modules.text.problem import Problem, UnclearError, choice
from sustainml_orchestrator.reference_modules.text.words import needle, plain

DEFAULT_MIN_CONFIDENCE = 0.4
#: Characters of a definition that are compared: what it is about stands at its beginning.
_HEAD = 1_500
#: The least share of a runner-up beside that of the best task.
_RUNNER_UP = 0.1
#: The least share of a task that a refusal names.
_LIKELY = 0.1
#: The confidence in its first clause alone that a short text needs where as a whole it is unclear.
_SURE = 0.5
#: Beginnings of plain texts that say what is to be done with a model that is named.
_TUNED = (" fine tune ", " finetune ", " pretrain ", " pre train ")
_CLAUSE_END = re.compile(
    r"[,.;:(\n]| (?:on|with|at|within|under|in|auf|mit|en|con|sur|avec|su) "
    r"(?=[\w$€]*[A-Z\d]|an? |our |un[ae]? |uma? |eine[mnr]? |unser|notre |nos |nuestr|nostr|noss)"
)
_HINT = "name the task in extra_data.goal, for example image-classification"


@dataclass(frozen=True)
class Task:
    """One ML task of the catalogue."""

    tag: str
    inputs: frozenset[str]  #: modalities
    output: str  #: modality, empty where it is none
    metrics: tuple[str, ...]

    def takes(self, modality: str) -> bool:
        """Whether data of this modality can be among its inputs."""
        if modality == "multimodal":
            return len(self.inputs) > 1
        return not self.inputs.isdisjoint({modality, "any"})

    def fits(self, modality: str) -> bool:
        """Whether the modality can be that of its inputs or of its output."""
        return self.takes(modality) or self.output == modality


@dataclass(frozen=True)
class Verdict:
    """The task chosen."""

    tag: str
    confidence: float  #: 0..1
    alternatives: tuple[str, ...]  #: runner-ups, best first
    parts: tuple[str, ...] = ()  #: of a problem of two parts the task of each, in their order


@dataclass(frozen=True)
class _Instead:
    """A task that is taken for another, by words that the text holds, or lacks."""

    task: str
    take: str
    cues: tuple[str, ...]
    where: bool

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> _Instead:
        """Read an entry of `rather`."""
        where = "where" in entry
        cues = entry["where" if where else "unless"]
        return cls(entry["task"], entry["take"], tuple(map(needle, cues)), where)

    def applies(self, words: str) -> bool:
        """Whether a plain text is such a case."""
        return any(cue in words for cue in self.cues) == self.where


@dataclass(frozen=True)
class _Composed:
    """A kind of problem that takes several models, such as questions on one's own documents."""

    tasks: frozenset[str]  #: for which such problems are taken
    parts: tuple[str, ...]  #: the tasks that they are instead, in their order
    take: str  #: the one of them that is proposed; the other is named
    asks: tuple[str, ...]
    cues: tuple[str, ...]
    unless: tuple[str, ...]

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> _Composed:
        """Read an entry of `composed`."""
        cues = (tuple(map(needle, entry[key])) for key in ("asks", "cues", "unless"))
        return cls(frozenset(entry["tasks"]), tuple(entry["parts"]), entry["take"], *cues)

    def applies(self, task: str, words: str) -> bool:
        """Whether a plain text of such a task is of this kind."""
        if task not in self.tasks or any(cue in words for cue in self.unless):
            return False
        asked = not self.asks or task == "question-answering"
        asked = asked or any(cue in words for cue in self.asks)
        return asked and any(cue in words for cue in self.cues)


class TaskCatalogue:
    """All tasks, their other names, and the kinds of problems that are refused."""

    def __init__(self, data: Mapping[str, Any], likeness: Likeness) -> None:
        """Take the parsed `ml_tasks.yaml`.

        Raises:
            KeyError: a part is missing.
        """
        self.likeness = likeness
        self.thresholds: dict[str, float] = dict(data["thresholds"])
        self.unsupported: dict[str, str] = dict(data["unsupported"])
        self._alike = [frozenset(group) for group in data["alike"]]
        self._instead = [_Instead.read(entry) for entry in data["rather"]]
        self._composed = [_Composed.read(entry) for entry in data["composed"]]
        self._refused = {needle(cue): text for cue, text in data["refused_phrases"].items()}
        self.tasks = {
            tag: Task(tag, frozenset(entry["in"]), entry.get("out", ""), tuple(entry["metrics"]))
            for tag, entry in data["tasks"].items()
        }
        self._models = ModelNames(data["model_names"])
        self._modalities = _by_name(data["modalities"].items())
        self.modalities = list(data["modalities"])
        self._names = _by_name(
            (tag, entry.get("aliases", ())) for tag, entry in data["tasks"].items()
        )

    def find(self, name: str) -> str:
        """The tag of a task named in whatever spelling; empty if it is unknown."""
        return self._names.get(_key(name), "")

    def modality(self, name: str) -> str:
        """The modality meant by a name; empty if it is unknown."""
        return self._modalities.get(_key(name), "")

    def of_modality(self, name: str) -> list[Task]:
        """The tasks that take data of a modality; all of them if it is unknown."""
        modality = self.modality(name)
        return [task for task in self.tasks.values() if not modality or task.takes(modality)]

    def choose(self, problem: Problem, min_confidence: float = DEFAULT_MIN_CONFIDENCE) -> Verdict:
        """The task that the problem calls for.

        A known goal of the user's wins, and so does a text that is nothing but the name of a task.

        Raises:
            UnclearError: the text does not say, or asks for what the catalogue lacks; the message
                says what to do.
        """
        text = _text(problem)
        goal = self.find(choice(problem.extra.get("goal"))) or self.find(text)
        goal = goal or self.find(_first_clause(text))
        if not text and not goal:
            raise UnclearError(
                "the problem has no text; describe what goes in and what shall come out, or "
                + _HINT
            )
        words = plain(text)
        for phrase, advice in self._refused.items():
            if not goal and phrase in words:
                raise UnclearError(f"{advice}, or {_HINT}")
        parts = () if goal else self._parts(text, problem.modality, min_confidence)
        if parts:
            return Verdict(parts[0], min_confidence, parts[1:], parts)
        shares, confidence = self._judged(text, problem.modality)
        if confidence < min_confidence and not goal and (clause := _first_clause(text)):
            # Numbers and hardware in a short text hide what is to be done; it mostly stands first.
            of_clause = self._judged(clause, problem.modality)
            if of_clause[1] >= max(min_confidence, _SURE):
                shares, confidence = of_clause
        ranking = sorted(shares, key=lambda label: -shares[label])
        if goal:
            return Verdict(goal, 1.0, self._runners_up(ranking, shares, goal))
        if confidence < min_confidence:
            return self._doubtful(text, problem.modality, ranking, shares, min_confidence)
        best = self._rather(text, problem.modality, ranking[0], shares)
        if best in self.unsupported:
            raise UnclearError(f"{self.unsupported[best]}, or {_HINT}")
        found = Verdict(best, round(confidence, 3), self._runners_up(ranking, shares, best))
        return self._as_composed(found, words)

    def _as_composed(self, found: Verdict, words: str) -> Verdict:
        """The verdict with the parts of a kind of problem that takes several models."""
        kind = next((each for each in self._composed if each.applies(found.tag, words)), None)
        if kind is None:
            return found
        others = tuple(other for other in found.alternatives if other != kind.take)
        return replace(found, tag=kind.take, alternatives=others, parts=kind.parts)

    def _rather(self, text: str, modality: str, best: str, shares: Mapping[str, float]) -> str:
        """Another task where the text names a model for it, or words tell it, else the best."""
        words, data = plain(text), self.modality(modality)
        for each in self._instead:
            fits = not data or self.tasks[each.take].fits(data)
            if each.task == best and fits and each.applies(words):
                return each.take
        # Models such as BERT do for several tasks, and name none.
        named = {each.task for each in self._models.find(text) if each.wanted and each.task}
        hint = self._hinted(text, modality) if named and best not in named else ""
        near = shares.get(hint, 0.0) >= _RUNNER_UP * shares[best] or words.startswith(_TUNED)
        near = near and hint in named
        return hint if near and best in self.tasks else best

    def _doubtful(
        self,
        text: str,
        modality: str,
        ranking: list[str],
        shares: Mapping[str, float],
        confidence: float,
    ) -> Verdict:
        """The task of a text that is not clear by itself, by the models that it names."""
        if hint := self._hinted(text, modality):
            found = Verdict(hint, confidence, self._runners_up(ranking, shares, hint))
            return self._as_composed(found, plain(text))
        likely = [tag for tag in ranking[:3] if tag in self.tasks and shares[tag] > _LIKELY]
        raise UnclearError(_complaint(likely))

    def _hinted(self, text: str, modality: str) -> str:
        """The task that names of models or other words point to; empty where it does not fit."""
        hint, named = self._models.task(text), self.modality(modality)
        fits = hint in self.tasks and (not named or self.tasks[hint].fits(named))
        return hint if fits else ""

    def _parts(self, text: str, modality: str, min_confidence: float) -> tuple[str, ...]:
        """The tasks of a problem of two parts; none for one of a single part."""
        parts = two_parts(text)
        if not parts:
            return ()
        first, confidence = self._best(parts[0], modality)
        if confidence < min_confidence:
            return ()
        # The second part takes what the first gives, and leaves out what it is about.
        second, confidence = self._best(parts[1], self._given_by(first) or modality)
        return (first, second) if confidence >= min_confidence * 0.5 and first != second else ()

    def _best(self, part: str, modality: str) -> tuple[str, float]:
        """The task of a part and the confidence in it; none where it is none of the catalogue."""
        shares, confidence = self._judged(part, modality)
        best = max(shares, key=lambda label: shares[label])
        return (best, confidence) if best in self.tasks else ("", 0.0)

    def _given_by(self, tag: str) -> str:
        """The modality of what comes out of a task, else of its only input; empty if unclear."""
        task = self.tasks[tag]
        return task.output or ("".join(task.inputs) if len(task.inputs) == 1 else "")

    def _judged(self, text: str, modality: str) -> tuple[dict[str, float], float]:
        """The share of each label but that of no problem, and the confidence in the best."""
        shares = self._shares(text, modality)
        doubt = self.thresholds["doubt"] + self.thresholds["no_problem"] * shares.pop(NONE, 0.0)
        best = max(shares, key=lambda label: shares[label])
        # Tasks that the same models solve are no doubt about the answer.
        alike = next((group for group in self._alike if best in group), frozenset({best}))
        share = sum(shares.get(label, 0.0) for label in alike)
        second = max((s for label, s in shares.items() if label not in alike), default=0.0)
        return shares, share / (share + second + doubt)

    def _shares(self, text: str, modality: str) -> dict[str, float]:
        """The likeness to each label; a known modality moves shares to the tasks that fit it."""
        shares, named = self.likeness.shares(text), self.modality(modality)
        if not named:
            return shares
        nothing, before = shares.pop(NONE, 0.0), sum(shares.values())
        for tag, task in self.tasks.items():
            if not task.fits(named):
                shares[tag] *= self.thresholds["other_modality"]
        rest = sum(shares.values()) or 1.0
        return {NONE: nothing, **{label: s * before / rest for label, s in shares.items()}}

    def _runners_up(
        self, ranking: Iterable[str], shares: Mapping[str, float], best: str
    ) -> tuple[str, ...]:
        least = max(0.02, _RUNNER_UP * shares.get(best, 0.0))
        others = [tag for tag in ranking if tag in self.tasks and tag != best]
        return tuple(tag for tag in others if shares[tag] >= least)[:3]


def _by_name(entries: Iterable[tuple[str, Iterable[str]]]) -> dict[str, str]:
    return {_key(name): tag for tag, names in entries for name in (*names, tag)}


def _key(name: str) -> str:
    return plain(name.replace("_", " ")).strip()


def _text(problem: Problem) -> str:
    """What is compared with the examples, one statement per line."""
    parts = (
        problem.title,
        problem.definition[:_HEAD],
        problem.inputs,
        problem.outputs,
        choice(problem.extra.get("goal")).replace("_", " "),
        *_data_set(problem.extra),
    )
    return "\n".join(part for part in parts if plain(part).strip())[: 2 * _HEAD]


def _data_set(extra: Mapping[str, Any]) -> Iterable[str]:
    """What the user's data set says of itself."""
    for key, value in extra.items():
        if key.startswith("dataset_metadata_"):
            items = value if isinstance(value, list) else [value]
            words = ", ".join(item for item in items[:50] if isinstance(item, str))
            yield words[:_HEAD]


def _first_clause(text: str) -> str:
    """What stands before the first comma, number or place; empty where that is one word or all."""
    head = _CLAUSE_END.split(text, maxsplit=1)[0].strip()
    return head if len(head.split()) > 1 and head != text else ""


def _complaint(likely: list[str]) -> str:
    if not likely:
        return (
            "no machine learning task can be read from the problem; say which data go in and what "
            f"shall come out, or {_HINT}"
        )
    tags = " or ".join(likely)
    return f"the problem may call for {tags}, but its text is not clear enough; {_HINT}"
