"""Which ML task a problem calls for, by the words that betray it and by likeness to examples.

Each task collects points: for its cues, for its actions (to classify, to detect ...) and for its
results found in the text and the fields, each counted once, with the weight of the place where it
was found. The points are multiplied by how well the data fit the modalities of the task. More come
from how much the text is like the examples of the task (`likeness.py`). The *confidence* of the
best task is its score as a share of three competitors:

    confidence = best / (best + runner-up + doubt)

so that it is low where little was found, where two tasks are close, and where the text is like
those that state no problem (doubt, a constant, grows with that). It tells how clear the text is; it
is no probability.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sustainml_orchestrator.reference_modules.text.likeness import NONE, Likeness
from sustainml_orchestrator.reference_modules.text.problem import Problem, UnclearError, choice
from sustainml_orchestrator.reference_modules.text.words import needle, plain

DEFAULT_MIN_CONFIDENCE = 0.4
#: Characters of a definition that count in full: what it is about stands at its beginning.
_HEAD = 1_500
_HINT = "name the task in extra_data.goal, for example image-classification"
_Source = tuple[str, float]  # a plain text and its weight


@dataclass(frozen=True)
class Task:
    """One ML task of the catalogue; cues are needles."""

    tag: str
    inputs: frozenset[str]  #: modalities, all needed
    output: str  #: modality, empty where it is none
    special: bool  #: a variant of a commoner task, thought of only where a strong cue names it
    actions: tuple[str, ...]
    results: frozenset[str]
    cues: tuple[str, ...]
    strong: tuple[str, ...]
    aliases: tuple[str, ...]
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """The task chosen."""

    tag: str
    confidence: float  #: 0..1
    alternatives: tuple[str, ...]  #: runner-ups, best first


@dataclass(frozen=True)
class _Evidence:
    """What was found in a problem."""

    sources: list[_Source]
    shares: Mapping[str, float]  #: of the modalities in the input
    actions: Mapping[str, float]  #: the weight of the place where each stands, 0 for none
    results: set[str]  #: named in the field `outputs`
    made: set[str]  #: modalities named there


class TaskCatalogue:
    """All tasks, and the words for data, actions and results."""

    def __init__(self, data: Mapping[str, Any], likeness: Likeness | None = None) -> None:
        """Read the parsed `ml_tasks.yaml`; without likeness, words alone decide.

        Raises:
            KeyError: it lacks a part.
        """
        self.likeness = likeness
        self.weights: dict[str, float] = dict(data["weights"])
        self.tasks = {tag: _read(tag, entry) for tag, entry in data["tasks"].items()}
        self._modalities, self._actions, self._weak_actions, self._results = (
            {name: _needles(cues) for name, cues in data[part].items()}
            for part in ("modalities", "actions", "weak_actions", "results")
        )
        self._names = {
            _tag(name): task.tag
            for task in self.tasks.values()
            for name in (*task.aliases, task.tag)
        }

    @property
    def modalities(self) -> list[str]:
        """Names of the modalities, the usual ones first."""
        return list(self._modalities)

    def find(self, name: str) -> str:
        """The tag of a task named in whatever spelling; empty if it is unknown."""
        return self._names.get(_tag(name), "")

    def modality(self, name: str) -> str:
        """The modality meant by a name; empty if it is unknown."""
        text = plain(name)
        return next((m for m, words in self._modalities.items() if _any(words, text)), "")

    def of_modality(self, name: str) -> list[Task]:
        """The tasks on data of a modality; all of them if it is unknown."""
        modality = self.modality(name)
        if modality == "multimodal":
            return [task for task in self.tasks.values() if len(task.inputs) > 1]
        fitting = [t for t in self.tasks.values() if t.inputs & {modality, "any"}]
        return fitting if modality else list(self.tasks.values())

    def choose(self, problem: Problem, min_confidence: float = DEFAULT_MIN_CONFIDENCE) -> Verdict:
        """The task that the problem calls for; a known goal of the user's wins.

        Raises:
            UnclearError: the text does not tell; the message says what to add.
        """
        scores = self.scores(problem)
        goal = self.find(choice(problem.extra.get("goal")))
        if goal:
            return Verdict(goal, 1.0, _runners_up(_ranked(scores), scores, goal))
        doubt = self.weights["doubt"]
        in_words, shares = dict(scores), {}
        if self.likeness:
            shares = self._shares(problem)
            doubt += self.weights["like_none"] * shares.get(NONE, 0.0)
            for tag in scores:
                scores[tag] += self.weights["like"] * shares.get(tag, 0.0)
        ranking = _ranked(scores)
        best, second = ranking[0], ranking[1]
        top = scores[best]
        confidence = top / (top + scores[second] + doubt)
        silent = not in_words[best] and shares.get(best, 0.0) < self.weights["like_alone"]
        if confidence < min_confidence or silent:
            likely = [tag for tag in ranking[:3] if scores[tag] > doubt / 2]
            raise UnclearError(_complaint(problem, likely))
        return Verdict(best, round(confidence, 3), _runners_up(ranking, scores, best))

    def _shares(self, problem: Problem) -> dict[str, float]:
        """What the examples say; of the field `modality` only tasks on such data remain."""
        parts = (problem.title, problem.definition[:_HEAD], problem.inputs, problem.outputs)
        text = "\n".join(part for part in parts if part.strip())
        shares = self.likeness.shares(text[: 2 * _HEAD])
        named = self.modality(problem.modality)
        if not named:
            return shares
        fit = {
            tag: self._fit(task, {**dict.fromkeys(self._modalities, 0.0), named: 1.0})
            for tag, task in self.tasks.items()
        }
        return {tag: share * fit.get(tag, 1.0) for tag, share in shares.items()}

    def scores(self, problem: Problem) -> dict[str, float]:
        """Points of each task for its words, 0 where none speaks for it."""
        sources, asked = self._sources(problem), plain(problem.outputs)
        found = _Evidence(
            sources=sources,
            shares=self._modality_shares(problem, sources),
            actions=self._found_actions(sources),
            results={name for name, words in self._results.items() if _any(words, asked)},
            made={name for name, words in self._modalities.items() if _any(words, asked)},
        )
        return {tag: self._points(task, found) for tag, task in self.tasks.items()}

    def _found_actions(self, sources: list[_Source]) -> dict[str, float]:
        weak = {name: _best(words, sources) for name, words in self._weak_actions.items()}
        clear = {name: _best(words, sources) for name, words in self._actions.items()}
        names = {*weak, *clear}
        return {n: max(clear.get(n, 0.0), self.weights["weak"] * weak.get(n, 0.0)) for n in names}

    def _points(self, task: Task, found: _Evidence) -> float:
        weights = self.weights
        done = weights["strong"] * _total(task.strong, found.sources)
        if task.special:
            if not done:
                return 0.0
            done += weights["special"]
        done += weights["action"] * max((found.actions[a] for a in task.actions), default=0.0)
        done += weights["result"] * bool(found.results & task.results)
        # A house and its price do not make a problem: something must be done with them.
        share = 1.0 if done or not task.actions else weights["idle"]
        value = done + share * _total(task.cues, found.sources)
        if value and task.output in found.made:
            value += weights["result"] / 2
        return value * self._fit(task, found.shares)

    def _sources(self, problem: Problem) -> list[_Source]:
        weights = self.weights
        goal = choice(problem.extra.get("goal"))
        dataset = " . ".join(_strings(problem.extra))
        sources = [
            (problem.title, weights["short_description"]),
            (problem.definition[:_HEAD], weights["definition"]),
            (problem.definition[_HEAD:], weights["tail"]),
            (f"{problem.inputs} . {problem.outputs}", weights["fields"]),
            (goal, weights["goal"]),
            (dataset, weights["dataset"]),
        ]
        return [(plain(text), weight) for text, weight in sources if text]

    def _modality_shares(self, problem: Problem, sources: list[_Source]) -> dict[str, float]:
        """Evidence for each modality, adding up to 1; empty where there is none."""
        named, given = self.modality(problem.modality), plain(problem.inputs)
        hinted = {m for t in self.tasks.values() if _total(t.strong, sources) for m in t.inputs}
        evidence = {}
        for name, words in self._modalities.items():
            value = self.weights["modality_text"] * min(1.5, _total(words, sources))
            value += self.weights["modality_text"] * (name in hinted)
            value += self.weights["modality_inputs"] * _any(words, given)
            value += self.weights["modality_field"] * (name == named)
            evidence[name] = value
        total = sum(evidence.values())
        return {name: value / total for name, value in evidence.items()} if total else {}

    def _fit(self, task: Task, shares: Mapping[str, float]) -> float:
        """Share of its points that a task keeps with data of these modalities."""
        if "any" in task.inputs:
            return 1.0
        if not shares:
            return self.weights["unknown"]
        present = [shares[name] for name in task.inputs]
        share = sum(present)
        if len(task.inputs) > 1:
            several = shares["multimodal"]
            share = share + several if min(present) or several else 0.0
        if task.output == "text":
            # Named in the text too, it does not speak against the task.
            share += shares["text"] / 2 if share else 0.0
        elif task.output:
            # What is to be made is always named, what it is made of not always.
            share = shares[task.output] + share / 2
        floor = self.weights["unfit"]
        return floor + (1 - floor) * min(1.0, share)


def _read(tag: str, entry: Mapping[str, Any]) -> Task:
    aliases = tuple(entry.get("aliases", ()))
    strong = _needles([*entry["strong"], *(a for a in aliases if len(a) > 3)])
    # The tag itself counts beside any part of it.
    strong = (*strong, *({needle(tag)} - set(strong)))
    return Task(
        tag=tag,
        inputs=frozenset(entry["in"]),
        output=entry.get("out", ""),
        special=entry.get("special", False),
        actions=tuple(entry.get("actions", ())),
        results=frozenset(entry.get("results", ())),
        cues=tuple(c for c in _needles(entry["cues"]) if not any(s in c for s in strong)),
        strong=strong,
        aliases=aliases,
        metrics=tuple(entry["metrics"]),
    )


def _needles(cues: Iterable[str]) -> tuple[str, ...]:
    """Needles without repetitions and without those that a shorter one covers."""
    unique = sorted(dict.fromkeys(map(needle, cues)), key=len)
    kept: list[str] = []
    for word in unique:
        if not any(shorter in word for shorter in kept):
            kept.append(word)
    return tuple(kept)


def _tag(name: str) -> str:
    return plain(name.replace("_", " ")).strip().replace(" ", "-")


def _any(words: Iterable[str], text: str) -> bool:
    return any(word in text for word in words)


def _best(words: Iterable[str], sources: Iterable[_Source]) -> float:
    """The weight of the best place where one of the words stands, 0 if none does."""
    return max((weight for text, weight in sources if _any(words, text)), default=0.0)


def _total(words: Iterable[str], sources: Iterable[_Source]) -> float:
    """Points for several words of one kind: the second counts half, the third a quarter ..."""
    hits = sorted((_best((word,), sources) for word in words), reverse=True)
    return sum(hit * 0.5**place for place, hit in enumerate(hits[:8]))


def _strings(extra: Mapping[str, Any]) -> Iterable[str]:
    """What the user's data set says of itself."""
    for key, value in extra.items():
        if key.startswith("dataset_metadata_"):
            items = value if isinstance(value, list) else [value]
            yield from (item[:_HEAD] for item in items[:50] if isinstance(item, str))


def _ranked(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda tag: -scores[tag])


def _runners_up(ranking: list[str], scores: Mapping[str, float], best: str) -> tuple[str, ...]:
    worthy = [t for t in ranking if t != best and scores[t] >= max(0.25, 0.25 * scores[best])]
    return tuple(worthy[:3])


def _complaint(problem: Problem, likely: list[str]) -> str:
    if not f"{problem.title}{problem.definition}{problem.inputs}{problem.outputs}".strip():
        return f"the problem has no text; describe what goes in and what shall come out, or {_HINT}"
    if not likely:
        return (
            "no machine learning task can be read from the problem; say which data go in and what "
            f"shall come out, or {_HINT}"
        )
    tags = " or ".join(likely)
    return f"the problem may call for {tags}, but its text is not clear enough; {_HINT}"
