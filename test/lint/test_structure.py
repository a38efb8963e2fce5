"""Rooms import only downwards and without circles; files and functions stay small."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "sustainml_orchestrator"
#: The rooms that each room may import, beside itself.
ARROWS = {
    "": {"contract"},
    "core": set(),
    "contract": {"core"},
    "storage": {"core"},
    "processes": {"core", "contract"},
    "node": {"core", "contract", "storage"},
    "client": {"core", "contract"},
    "sdk": {"core", "contract", "processes"},
    "reference_modules": {"core", "contract", "sdk"},
    "measurement": {"processes"},
    "entry": {"contract"},
    "rest": {"core", "contract", "client"},
    "web": {"core", "contract", "client", "rest"},
    "compat": {"core", "contract", "client", "rest"},
    "cli": {
        "core", "contract", "storage", "processes", "node", "client", "reference_modules",
        "measurement", "rest", "compat", "web",
    },
}  # fmt: skip
MAX_LINES = 400
MAX_FUNCTION = 40
#: Words that only this project used in place of the field's, and code that was moved.
PRIVATE = re.compile(
    r"\b(crews?|nursery|zygotes?|excuses?|the skin|ModuleSkin|deaf(?:en)?)\b", re.IGNORECASE
)


@cache
def sources() -> dict[str, Path]:
    """All modules of the package by their dotted names."""
    paths = (ROOT / PACKAGE).rglob("*.py")
    return {_dotted(path): path for path in sorted(paths)}


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(tree: ast.AST, known: Iterable[str]) -> Iterator[str]:
    """Modules of the package that a syntax tree imports when it runs, wherever it does so."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                yield whole if whole in known else node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        else:
            yield from imported(node, known)


@cache
def graph() -> dict[str, set[str]]:
    """For each module the modules of the package that it imports."""
    known = sources()
    return {
        name: {
            one
            for one in imported(ast.parse(path.read_text(encoding="utf-8")), known)
            if one.split(".")[0] == PACKAGE
        }
        - {name}
        for name, path in known.items()
    }


def room(module: str) -> str:
    """The folder of a module; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def upward(edges: dict[str, set[str]]) -> list[str]:
    """The imports that no arrow permits."""
    return [
        f"{name} imports {one}"
        for name, others in sorted(edges.items())
        for one in sorted(others)
        if room(one) and room(one) != room(name) and room(one) not in ARROWS[room(name)]
    ]


def test_every_room_has_arrows() -> None:
    assert {room(name) for name in sources()} == set(ARROWS)


def test_imports_go_downwards() -> None:
    assert upward(graph()) == []


def test_an_import_upwards_is_noticed() -> None:
    tree = ast.parse(f"def f():\n    from {PACKAGE}.node import loop")
    found = set(imported(tree, {f"{PACKAGE}.node.loop"}))
    assert upward({f"{PACKAGE}.core.step": found}) == [
        f"{PACKAGE}.core.step imports {PACKAGE}.node.loop"
    ]


def test_no_module_imports_itself_by_way_of_others() -> None:
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_core_imports_the_standard_library_alone() -> None:
    foreign = set()
    for name, path in sources().items():
        if room(name) == "core":
            for one in imported(ast.parse(path.read_text(encoding="utf-8")), sources()):
                foreign |= {one.split(".")[0]} - {PACKAGE} - sys.stdlib_module_names
    assert foreign == set()


def test_files_are_short() -> None:
    long = {
        str(path.relative_to(ROOT / PACKAGE))
        for path in sources().values()
        if len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES
    }
    assert long == set()


def test_functions_are_short() -> None:
    long = set()
    for path in sources().values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION:
                    long.add(f"{path.relative_to(ROOT / PACKAGE)}:{node.name}")
    assert long == set()


def test_no_private_words() -> None:
    """In code and documents; not in texts of problems, where they mean what they say."""
    places = [
        *(ROOT / PACKAGE).rglob("*.py"),
        *(p for p in (ROOT / "test").rglob("*.py") if p != Path(__file__)),
        *(ROOT / "docs").glob("*.md"),
        *ROOT.glob("*.md"),
        *(ROOT / "bench").glob("*.md"),
    ]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in places
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for match in PRIVATE.finditer(line)
    ]
    assert found == []


def test_tests_leave_the_search_path_alone() -> None:
    tricks = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "test").rglob("*.py")
        if re.search(r"\bsys\.path\b", path.read_text(encoding="utf-8")) and path != Path(__file__)
    ]
    assert tricks == []


def test_python_is_started_without_the_current_folder() -> None:
    """By `python_command` alone: a file there would be run in place of a module of that name."""
    starts = re.compile(r"""["']-m["'],""")
    others = [
        str(path.relative_to(ROOT / PACKAGE))
        for path in sources().values()
        if starts.search(path.read_text(encoding="utf-8"))
    ]
    assert others == ["processes/fork_server.py"]


def test_nothing_is_printed_past_the_functions_that_make_it_harmless() -> None:
    """Texts of others may hold escapes; tracebacks hold them and credentials."""
    raw = re.compile(r"\bprint\(|\bstd(?:out|err)\.write\(|\bs?echo\(|\bformat_exc\(")
    permitted = {"cli/console.py", "contract/complaint.py", "core/text.py"}
    found = [
        f"{path.relative_to(ROOT / PACKAGE)}:{number}"
        for path in sources().values()
        if str(path.relative_to(ROOT / PACKAGE)) not in permitted
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if raw.search(re.sub(r"\bout\.print\(", "", line)) and "T201" not in line
    ]
    assert found == ["client/__init__.py:5"]  # an example


def _holding(pattern: str) -> set[str]:
    """The files of the package in which this occurs."""
    return {
        str(path.relative_to(ROOT / PACKAGE))
        for path in sources().values()
        if re.search(pattern, path.read_text(encoding="utf-8"))
    }


def test_yaml_is_read_without_the_implicit_types_of_yaml_1_1() -> None:
    """By `yaml_loader` and `problem_input`; parameter files alone as rcl reads them."""
    assert _holding(r"\byaml\.(?:safe_|full_|unsafe_)?load\(") == {
        "contract/yaml_loader.py", "cli/run.py", "contract/parameter_file.py",
    }  # fmt: skip


def test_signals_are_handled_in_few_places() -> None:
    """A handler may run inside a lock: `on_end` says what it may do; commands alone raise."""
    assert _holding(r"\bsignal\.signal\((?!.*SIG_(?:DFL|IGN))") == {
        "contract/signals.py", "processes/fork_server.py", "cli/context.py", "cli/__main__.py",
        "entry.py",
    }  # fmt: skip


def test_no_text_holds_the_number_and_the_path_of_an_oserror() -> None:
    """`core.text.cause` gives what a sentence needs that names the file itself."""
    found = []
    for name, path in sources().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ExceptHandler) or node.type is None:
                continue
            if "OSError" in ast.unparse(node.type) and node.name:
                raw = {f"{{{node.name}}}", f"str({node.name})"}
                text = "".join(map(ast.unparse, node.body))
                found += [f"{name}:{node.lineno}: {one}" for one in raw if one in text]
    assert not found
