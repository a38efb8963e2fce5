"""Keywords of a text, by YAKE: statistics of the one text, no training, no network.

R. Campos et al., "YAKE! Keyword extraction from single documents using multiple local features",
Information Sciences 509, 2020.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from sustainml_orchestrator.reference_modules.text.words import plain

if TYPE_CHECKING:
    from yake import KeywordExtractor

DEFAULT_MAX_KEYWORDS = 10
#: Languages told apart, by their commonest words; the first is taken for a text without any.
LANGUAGES = ("en", "es", "de", "fr", "it", "pt", "nl")
#: Longest phrase, in words.
_MAX_WORDS = 3
#: Characters read: 8,000 take about 0.1 s.
_MAX_TEXT = 8_000


def keywords(text: str, count: int = DEFAULT_MAX_KEYWORDS) -> list[str]:
    """The most telling phrases of a text, best first; none for a text without words."""
    text = text[:_MAX_TEXT]
    found = _extractor(language(text)).extract_keywords(text)
    return list(dict.fromkeys(phrase for phrase, _ in found))[:count]


def language(text: str) -> str:
    """The language of a text, one of LANGUAGES: whose commonest words are most in it."""
    words = plain(text[:_MAX_TEXT]).split()
    return max(LANGUAGES, key=lambda code: sum(word in _stopwords(code) for word in words))


@cache
def _stopwords(code: str) -> frozenset[str]:
    listed = files("yake") / "core" / "StopwordsList" / f"stopwords_{code}.txt"
    # Of the long lists only short words: the rest holds adjectives and verbs of every subject.
    words = plain(listed.read_bytes().decode("utf-8", "replace")).split()
    return frozenset(word for word in words if len(word) <= 4)


@cache
def _extractor(code: str) -> KeywordExtractor:
    from yake import KeywordExtractor  # takes 0.2 s, and not all who import this need it

    return KeywordExtractor(lan=code, n=_MAX_WORDS, top=50)
