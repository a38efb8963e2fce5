"""What docs/modules.md prints is what works."""

from __future__ import annotations

import re
from pathlib import Path

from sustainml_orchestrator.sdk.parameters import TABLE

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "modules.md").read_text(encoding="utf-8")


def test_the_printed_example_is_the_tested_one() -> None:
    """The file has a docstring more."""
    printed = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]
    example = (ROOT / "examples" / "my_module.py").read_text(encoding="utf-8")
    assert example.partition('"""\n\n')[2] == printed


def test_every_parameter_is_documented() -> None:
    """No more and no fewer."""
    table = TEXT.rpartition("## Parameters")[2]
    named = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row[:44])}
    assert named - {"process", "thread"} == {name for name, *_ in TABLE}
