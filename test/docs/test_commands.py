"""Every command that a document, a help text or a message names exists, with its options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from sustainml_orchestrator.cli.main import app

ROOT = Path(__file__).parents[2]
#: After one of these, or at the beginning of a line, stands a command, not a word of a sentence.
_SUSTAINML = re.compile(r"(?:^[ $]*|[`;] ?|→ |: |or )sustainml ([a-z-][^`\n;|)#\",']*)")
_MAKE = re.compile(r"(?:^    |`)make ([a-z][a-z-]*)")
_ALL = typer.main.get_command(app)
_PLACEHOLDER = re.compile(r"\{[^}]*\}|…|\.\.\.")


def lines() -> Iterator[tuple[str, str]]:
    """All lines where commands are named, and where each of them stands."""
    patterns = ("*.md", "docs/*.md", "bench/*.md", "config/**/*.yaml", "launch/*",
                "sustainml_orchestrator/**/*.py", "sustainml_orchestrator/**/*.js")  # fmt: skip
    for path in (found for pattern in patterns for found in sorted(ROOT.glob(pattern))):
        if path.is_file():
            for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                yield f"{path.relative_to(ROOT)}:{number}", text


def wrong_word(text: str) -> str:
    """The first word of a command that is neither a known command nor a known option."""
    node = _ALL
    words = iter(_PLACEHOLDER.sub("x", text).split())
    for word in words:
        name = word.partition("=")[0].rstrip(".:")
        if name.startswith("-"):
            known = {each: option for option in node.params
                     for each in (*option.opts, *option.secondary_opts)}  # fmt: skip
            if name not in known and name not in ("-h", "--help"):
                return word
            if name in known and not getattr(known[name], "is_flag", True) and "=" not in word:
                next(words, None)
        elif commands := getattr(node, "commands", None):
            if name == "x":  # any command
                return ""
            if name not in commands:
                return word
            node = commands[name]
    return ""


def test_commands_of_documents_and_messages_exist() -> None:
    found = [(at, m[1]) for at, text in lines() for m in _SUSTAINML.finditer(text)]
    assert len(found) > 250
    assert [f"{at}: {text}" for at, text in found if wrong_word(text)] == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("list --status failed --no-such", "--no-such"),
        ("-n /lab2 up --rest", ""),
        ("node halt hw_resources", "halt"),
        ("node {verb} {name} --x", ""),
    ],
)
def test_what_does_not_exist_is_noticed(text: str, wrong: str) -> None:
    assert wrong_word(text) == wrong


def test_targets_of_make_exist() -> None:
    known = set(re.findall(r"^([a-z-]+(?: [a-z-]+)*):", (ROOT / "Makefile").read_text(), re.M))
    known = {name for names in known for name in names.split()}
    found = [(at, m[1]) for at, text in lines() for m in _MAKE.finditer(text)]
    assert len(found) > 50
    assert [each for each in found if each[1] not in known] == []
