"""How much is tried: always the same in `make test`, as much as asked for in `make fuzz`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

#: Examples of each test; unset in the short form.
ASKED_FOR = int(os.environ.get("FUZZ_EXAMPLES", "0"))


def examples(short: int) -> settings:
    """So many, or as many as asked for; the short form does not depend on chance."""
    return settings(
        max_examples=ASKED_FOR or short,
        derandomize=not ASKED_FOR,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
