"""Names of models in a text, known to the catalogue of models or not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sustainml_orchestrator.reference_modules.text.words import plain

#: Words of a plain text that are looked at on each side of a name.
_BEFORE, _AFTER = 3, 1


@dataclass(frozen=True)
class ModelName:
    """A model, or a family of them, that a text names."""

    name: str  #: as it stands in the plain text
    task: str  #: what such models are made for; empty where they do for several tasks
    wanted: bool  #: whether it is to be used, not replaced


class ModelNames:
    """Finds models by the patterns of their makers."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        """Take `model_names` of the parsed `ml_tasks.yaml`.

        Raises:
            KeyError: it lacks a part.
        """
        self._patterns = [
            (re.compile(rf"(?<= ){pattern}(?= )"), "" if task == "any" else task)
            for task, several in data["patterns"].items()
            for pattern in several
        ]
        self._hints = {
            task: re.compile(rf" (?:{'|'.join(cues)}) ") for task, cues in data["hints"].items()
        }
        self._before, self._after = frozenset(data["before"]), frozenset(data["after"])
        self._replaced = frozenset(data["replaced"])

    def find(self, text: str) -> list[ModelName]:
        """The models named, in the order of the text, the longest name at each place."""
        words = plain(text)
        spots = {m.span(): task for p, task in self._patterns for m in p.finditer(words)}
        longest = [
            span
            for span in sorted(spots)
            if not any(s <= span[0] and span[1] <= e and (s, e) != span for s, e in spots)
        ]
        found = []
        for start, end in longest:
            name, before = words[start:end], words[:start].split()[-_BEFORE:]
            after = words[end:].split()[:_AFTER]
            # "Llama" is an animal, too, where nothing says that it is to be used.
            sure = " " in name or any(letter.isdigit() for letter in name)
            if sure or set(before[-2:]) & self._before or set(after) & self._after:
                wanted = not set(before) & self._replaced
                found.append(ModelName(name, spots[start, end], wanted))
        return found

    def task(self, text: str) -> str:
        """The task that names of models, or words such as "LLM", point to; empty for none."""
        named = [each.task for each in self.find(text) if each.task]
        words = plain(text)
        hinted = (task for task, pattern in self._hints.items() if pattern.search(words))
        return next((task for task in (*named, *hinted)), "")


def names_of(names: Iterable[ModelName]) -> list[str]:
    """The names that are wanted, without repetitions."""
    return list(dict.fromkeys(each.name for each in names if each.wanted))
