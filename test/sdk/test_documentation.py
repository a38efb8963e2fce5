"""What docs/modules.md prints is what works."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "modules.md").read_text(encoding="utf-8")


def test_the_printed_example_is_the_tested_one() -> None:
    """The file has a docstring more."""
    printed = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]
    example = (ROOT / "examples" / "my_module.py").read_text(encoding="utf-8")
    assert example.partition('"""\n\n')[2] == printed
