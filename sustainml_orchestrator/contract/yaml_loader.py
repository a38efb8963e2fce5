"""Values of YAML files as people mean them: the core schema of YAML 1.2.

YAML 1.1, as PyYAML has it by default, takes NO for false, 12:30 for 750, 1_0 for 10, 010 for 8 and
2026-01-31 for an object of Python. Here each of these is a text: right where a text is due, and
refused where a number or a boolean is.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_WHOLE = "(?:0|[1-9][0-9]*)"
#: By tag: what a plain scalar is that has that form, and its possible first characters.
_FORMS = {
    "bool": ("true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (f"[-+]?{_WHOLE}", "-+0123456789"),
    "float": (
        rf"[-+]?(?:\.[0-9]+|{_WHOLE}(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "null": ("~|null|Null|NULL|", ["~", "n", "N", ""]),
    "merge": ("<<", "<"),
}


def _loader() -> Any:
    # The C parser reads the largest catalogue in 0.1 s, the Python one in more than a second.
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("Loader", (base,), {"yaml_implicit_resolvers": {}})
    for kind, (form, first) in _FORMS.items():
        tag = f"tag:yaml.org,2002:{kind}"
        loader.add_implicit_resolver(tag, re.compile(f"^(?:{form})$"), list(first))
    return loader


_LOADER = _loader()


def load(text: str) -> Any:
    """What a YAML text holds.

    Raises:
        yaml.YAMLError: it is no YAML.
        ValueError, RecursionError: it holds what no Python value can.
    """
    return yaml.load(text, Loader=_LOADER)
