"""What a file imports of the project exists, also in files that no test runs.

Launch files, scripts, benchmarks and long runs need tools or time that are not always there: a name
that is moved would only be missed by whoever starts them.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("sustainml_orchestrator", "launch", "scripts", "examples", "bench", "test")
OWN = {"sustainml_orchestrator", "sustainml_msgs", "support", "bench"}


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Modules of the project that a file imports, with the name that it takes from each."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            found = [(str(node.module), alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        else:
            continue
        yield from (each for each in found if each[0].partition(".")[0] in OWN)


def exists(module: str, name: str) -> bool:
    """Whether the module has this name, or is a package with a module of this name."""
    try:
        if not name or hasattr(importlib.import_module(module), name):
            return importlib.import_module(module) is not None
        return importlib.import_module(f"{module}.{name}") is not None
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] in OWN:
            return False
        raise


def test_names_that_are_imported_exist() -> None:
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert {ROOT / "launch" / "shared.launch.py", ROOT / "scripts" / "build.py"} <= set(files)
    missing = [
        f"{path.relative_to(ROOT)}: {module} {name}"
        for path in files
        for module, name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if not exists(module, name)
    ]
    assert missing == []
