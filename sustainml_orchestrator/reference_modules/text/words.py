"""Texts compared word by word, without case, accents and punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from itertools import pairwise

_WORD = re.compile(r"[^\W_]+")
_CLAUSE_END = re.compile(r"[.,;:!?)](?=\s|$)|\n")


def fold(text: str) -> str:
    """The text in lower case and without accents; everything else stays where it is."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def plain(text: str) -> str:
    """The folded words, each between blanks: the form in which cues are looked up."""
    return f" {' '.join(_WORD.findall(fold(text)))} "


def clause_ends(text: str) -> tuple[int, ...]:
    """Where clauses end in the plain form of a text, as indices of characters."""
    folded = fold(text)
    words = list(_WORD.finditer(folded))
    ends, at = [], 0
    for word, following in pairwise(words):
        at += 1 + len(word.group())
        if _CLAUSE_END.search(folded[word.end() : following.start()]):
            ends.append(at)
    return tuple(ends)


def needle(cue: str) -> str:
    """What to look for in a plain text; a star at an end of the cue opens the word there.

    Raises:
        ValueError: the cue holds no word, or a star in its middle.
    """
    core = plain(cue.strip("*"))[1:-1]
    if not core or "*" in cue[1:-1]:
        raise ValueError(f"the cue {cue!r} holds no word, or a star that is not at one of its ends")
    before = "" if cue.startswith("*") else " "
    return f"{before}{core}{'' if cue.endswith('*') else ' '}"


def places(wanted: str, text: str) -> list[int]:
    """Where a needle begins in a plain text, as indices of characters."""
    found, at = [], text.find(wanted)
    while at >= 0:
        found.append(at)
        at = text.find(wanted, at + 1)
    return found


def preceded(text: str, at: int, words: Collection[str], within: int = 3) -> bool:
    """Whether one of some words is among the last ones before a place in a plain text."""
    # No word of a list is so long that `within` of them need more characters than this.
    return any(word in words for word in text[max(0, at - 80) : at + 1].split()[-within:])
