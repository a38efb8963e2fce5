"""Find a small pattern in the syntax tree of a function, and put something else in its place.

A pattern is Python text: one expression or one statement. A single capital letter stands for any
expression, the same one wherever the letter occurs; ``...`` stands for any expression, too. So
neither the format of the source nor the names of locals matter.
"""

from __future__ import annotations

import ast
from copy import deepcopy
from typing import Any


class NotFound(ValueError):
    """The function does not exist, or the pattern does not occur exactly once in it."""


def function(tree: ast.Module, path: str) -> ast.FunctionDef:
    """The function of a path such as ``Steps.tick``, or ``pack`` for one of the module.

    Raises:
        NotFound: there is none.
    """
    body: list[ast.stmt] = tree.body
    for name in path.split("."):
        found = [
            node
            for node in body
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name
        ]
        if not found:
            raise NotFound(f"there is no {path}")
        body = found[-1].body
    if not isinstance(found[-1], ast.FunctionDef):
        raise NotFound(f"{path} is no function")
    return found[-1]


def replace(where: ast.AST, pattern: str, replacement: str) -> None:
    """Replace the only occurrence of a pattern; letters in `replacement` stand for what matched.

    Raises:
        NotFound: the pattern occurs not at all, or several times.
    """
    (wanted,) = ast.parse(pattern).body
    new: list[Any] = list(ast.parse(replacement or "pass").body)
    if isinstance(wanted, ast.Expr):
        wanted, new = wanted.value, [new[0].value]  # type: ignore[assignment]
    places = [
        (owner, field, index, bound)
        for owner in ast.walk(where)
        for field, index, node in _children(owner)
        if _matches(node, wanted, bound := {})
    ]
    if len(places) != 1:
        raise NotFound(f"'{pattern}' occurs {len(places)} times; it must occur once")
    owner, field, index, bound = places[0]
    filled = [_Fill(bound).visit(node) for node in new]
    if index is None:
        setattr(owner, field, filled[0])
    else:
        getattr(owner, field)[index : index + 1] = filled
    ast.fix_missing_locations(where)


def _children(owner: ast.AST) -> list[tuple[str, int | None, ast.AST]]:
    children: list[tuple[str, int | None, ast.AST]] = []
    for field, value in ast.iter_fields(owner):
        if isinstance(value, ast.AST):
            children.append((field, None, value))
        elif isinstance(value, list):
            children += [(field, i, v) for i, v in enumerate(value) if isinstance(v, ast.AST)]
    return children


def _matches(node: Any, pattern: Any, bound: dict[str, ast.expr]) -> bool:
    if isinstance(pattern, ast.Constant) and pattern.value is ...:
        return isinstance(node, ast.expr)
    if isinstance(pattern, ast.Name) and _is_letter(pattern.id):
        known = bound.setdefault(pattern.id, node)
        return isinstance(node, ast.expr) and ast.unparse(known) == ast.unparse(node)
    if isinstance(pattern, list):
        same = isinstance(node, list) and len(node) == len(pattern)
        return same and all(_matches(n, p, bound) for n, p in zip(node, pattern, strict=True))
    if not isinstance(pattern, ast.AST):
        return bool(node == pattern)
    return type(node) is type(pattern) and all(
        _matches(getattr(node, field), getattr(pattern, field), bound)
        for field in pattern._fields
        if field != "ctx"
    )


def _is_letter(name: str) -> bool:
    return len(name) == 1 and name.isupper()


class _Fill(ast.NodeTransformer):
    """Puts what the letters of a pattern matched in the place of those letters."""

    def __init__(self, bound: dict[str, ast.expr]) -> None:
        self._bound = bound

    def visit_Name(self, node: ast.Name) -> ast.expr:
        matched = deepcopy(self._bound.get(node.id, node))
        if hasattr(matched, "ctx"):
            matched.ctx = node.ctx
        return matched
