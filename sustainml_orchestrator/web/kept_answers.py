"""Answers to pages, kept while nothing changes: many open pages ask the orchestrator once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

_STRIPES = 64
_MOST = 32 * 2**20  # bytes


class _Kept(NamedTuple):
    mark: Hashable
    until: float
    octets: bytes


class KeptAnswers:
    """Answers by key; safe to use from several threads. Those that ask at once wait for one.

    Args:
        most: bytes that are kept; the oldest go first.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._stripes = [threading.Lock() for _ in range(_STRIPES)]

    def get(
        self, key: Hashable, mark: Hashable | None, make: Callable[[], tuple[bytes, float]]
    ) -> bytes:
        """The answer for a key.

        Args:
            key: what is asked.
            mark: changes with what the answer tells of; None = not known: it is made anew.
            make: the answer, and how long it holds under this mark, in s; may raise, and must not
                ask for another answer here.
        """
        with self._stripes[hash(key) % _STRIPES]:
            kept = self._kept.get(key)
            if kept and mark is not None and kept.mark == mark and time.monotonic() < kept.until:
                return kept.octets
            octets, longest = make()
            if mark is not None:
                self._keep(key, _Kept(mark, time.monotonic() + longest, octets))
            return octets

    def _keep(self, key: Hashable, kept: _Kept) -> None:
        with self._lock:
            old = self._kept.pop(key, None)
            self._kept[key] = kept
            self._size += len(kept.octets) - (len(old.octets) if old else 0)
            while self._size > self._most:
                _, gone = self._kept.popitem(last=False)
                self._size -= len(gone.octets)
