"""Where figures of the catalogue come from, and whether somebody has compared them with it."""

from __future__ import annotations

from collections.abc import Iterable

#: Said of figures whose source nobody has opened since they were written down.
UNCHECKED = "unchecked"

#: The source of what the user has measured.
_MEASURED = "sustainml measure"


def origin(source: Iterable[str], checked: str) -> str:
    """The sources of an entry for people: "arXiv:2304.08069 (unchecked)".

    Args:
        source: of the entry.
        checked: the day on which its figures were compared with them; empty = never.
    """
    told = ", ".join(source)
    if told.startswith(_MEASURED):
        return told
    return f"{told} ({f'checked {checked}' if checked else UNCHECKED})"
