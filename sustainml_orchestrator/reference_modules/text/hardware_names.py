"""Names of hardware and of platforms that no catalogue and no pattern knows.

A product is told by how its name is written and by what stands around it: a model number
("C6030"), a maker ("Siemens"), a word for what it is beside it ("cluster", "gateway"), and words
before it that say where something runs ("on a", "deployed on"). What a problem is about (photos of
a Boeing 737, logs of Kubernetes) is none. Such names are listed, never looked up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sustainml_orchestrator.reference_modules.text.keywords import language
from sustainml_orchestrator.reference_modules.text.words import fold, needle, places, plain

_TOKEN = re.compile(r"[^\W_](?:[\w+.-]*[\w+])?")
_CLAUSE = re.compile(r"[.,;:!?()\n](?=\s|$)|\n|\(")
#: A model number begins with a letter and holds a digit: "24h", "3rd" and "1080p" are none.
_MODEL = re.compile(r"[^\W\d_][\w+.-]*\d[\w+.-]*$")
_INNER_CAPITAL = re.compile(r"\w*[a-z]+[A-Z]\w*|[A-Z]{2,}[a-z]\w+")
#: Characters before and after a name that are looked at.
_AROUND = 80
#: More than these of one text would be a list of parts, not a problem.
_MOST = 10


@dataclass(frozen=True)
class _Run:
    """Words written like a name, side by side."""

    start: int
    end: int
    tokens: tuple[str, ...]


class HardwareNames:
    """Finds names of hardware by their spelling and their surroundings."""

    def __init__(
        self,
        data: Mapping[str, Any],
        subject: Callable[[Iterable[str]], bool],
        understood: Iterable[str],
    ) -> None:
        """Read the word lists.

        Args:
            data: the section `names` of the parsed `constraints.yaml`.
            subject: whether the words after a name show that it is what the problem is about.
            understood: words that other readers understand, and that are therefore not unknown.

        Raises:
            KeyError: `names` lacks a part.
        """
        keys = ("makers", "heads", "near", "inside", "articles", "verbs", "about")
        (self._makers, self._heads, self._near, self._inside, self._articles, self._verbs,
         self._about) = (frozenset(data[key]) for key in keys)  # fmt: skip
        self._known_makers = frozenset(data["known_makers"])
        self._platforms = [needle(cue) for cue in data["platforms"]]
        self._placed_platforms = [needle(cue) for cue in data["placed_platforms"]]
        self._ordinary = [needle(cue) for cue in (*data["ordinary"], *understood)]
        self._subject = subject

    def find(self, text: str, used: Iterable[str], known: Callable[[str], bool]) -> list[str]:
        """The names that are in none of the passages used, in the order of the text.

        `known` tells whether a name is one of a place.
        """
        words = {word for passage in used for word in plain(passage).split()}
        german = language(text) == "de"
        found = []
        for run in _runs(text):
            rest = [t for t in run.tokens if not self._is_used(t, words) and not known(t)]
            name = text[run.start : run.end]
            # What is left of a product that is known is its maker.
            left = rest if len(rest) == len(run.tokens) else self._without_makers(rest)
            named = any(map(_letters, left)) and not known(name)
            if named and self._is_one(text, run, rest, german):
                found.append(name)
        listed = {word for name in found for word in plain(name).split()}
        found += [p for p in self._named_platforms(text) if not set(p.split()) <= listed | words]
        return list(dict.fromkeys(found))[:_MOST]

    def _without_makers(self, tokens: list[str]) -> list[str]:
        makers = self._makers | self._known_makers
        return [token for token in tokens if not set(plain(token).split()) <= makers]

    def _is_used(self, token: str, words: set[str]) -> bool:
        folded = plain(token)
        return set(folded.split()) <= words or any(cue in folded for cue in self._ordinary)

    def _is_one(self, text: str, run: _Run, rest: list[str], german: bool) -> bool:
        """Whether a run is the name of something on which the solution runs."""
        before, after = _before(text, run.start), _after(text, run.end)
        if self._subject(after[:2]):
            return False
        maker = any(set(plain(token).split()) & self._makers for token in rest)
        model = any(_MODEL.match(token) for token in rest)
        numbered = run.tokens[-1].isdigit() and len(run.tokens) > 1
        if maker and model:
            return True
        if not self._is_placed(before):
            return False
        telling = not german or any(_INNER_CAPITAL.match(t) or t.isupper() for t in rest)
        beside = bool({*after[:1], *before[-2:]} & self._heads)
        within = bool({w for token in run.tokens for w in plain(token).split()} & self._heads)
        runs = bool(set(before[-4:]) & self._verbs)
        on_one = before[-2:-1] == ["on"] and before[-1] in self._articles - {"the"}
        on_it = before[-1] == "on" and not after and not {*before[-3:-1]} & self._about
        inner = any(_INNER_CAPITAL.match(token) for token in rest)
        beside = beside or within or runs
        return model or maker or numbered or (telling and (beside or on_one or on_it or inner))

    def _is_placed(self, before: list[str]) -> bool:
        """Whether words say that something runs on what follows."""
        *_, fourth, third, second, first = ["", "", "", "", *before]
        if first in self._near or (first in self._heads and second in self._near):
            return True
        pairs = ((second, first), (third, second), (fourth, third))
        return any(
            (article in self._articles or article.isdigit())
            and (word in self._near or word in self._inside)
            for word, article in pairs
        )

    def _named_platforms(self, text: str) -> Iterator[str]:
        words = plain(text)
        for cues, placed in ((self._platforms, False), (self._placed_platforms, True)):
            for cue in cues:
                for at in places(cue, words):
                    end = at + len(cue.rstrip())
                    before = words[max(0, at - _AROUND) : at + 1].split()
                    after = words[end : end + _AROUND].split()
                    if not self._subject(after[:2]) and (not placed or self._is_placed(before)):
                        yield words[at:end].strip()


def _runs(text: str) -> Iterator[_Run]:
    """Neighbours that are written like names, without the word that begins a sentence."""
    run: list[re.Match[str]] = []
    for token in _TOKEN.finditer(text):
        joined = bool(run) and text[run[-1].end() : token.start()] in (" ", "-", "\u00a0")
        if run and not joined:
            yield _Run(run[0].start(), run[-1].end(), tuple(t.group() for t in run))
            run = []
        if _is_name(token.group(), text, token.start()) or (run and token.group()[0].isdigit()):
            run.append(token)
        elif run:
            yield _Run(run[0].start(), run[-1].end(), tuple(t.group() for t in run))
            run = []
    if run:
        yield _Run(run[0].start(), run[-1].end(), tuple(t.group() for t in run))


def _is_name(token: str, text: str, at: int) -> bool:
    if _MODEL.match(token) or _INNER_CAPITAL.match(token):
        return True
    if not token[0].isupper() or len(token) < 2:
        return False
    return token.isupper() or not re.search(r"(?:^|[.!?:\n])\s*$", text[max(0, at - 5) : at])


def _letters(token: str) -> bool:
    return any(letter.isalpha() for letter in token)


def _before(text: str, at: int) -> list[str]:
    """The words before a place in its clause, folded."""
    return re.findall(r"\w+", fold(_CLAUSE.split(text[max(0, at - _AROUND) : at])[-1]))


def _after(text: str, at: int) -> list[str]:
    """The words after a place in its clause, folded."""
    return re.findall(r"\w+", fold(_CLAUSE.split(text[at : at + _AROUND])[0]))
