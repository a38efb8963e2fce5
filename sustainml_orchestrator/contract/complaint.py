"""Lines of a node on standard error, where it has no logger yet."""

from __future__ import annotations

import sys

from sustainml_orchestrator.core.text import printable

#: Characters; paths and values of parameters may be long.
_LONGEST = 10_000


def complain(text: object) -> None:
    """Write one line, without control characters and credentials that values in it may contain."""
    sys.stderr.write(f"{printable(str(text), _LONGEST)}\n")
