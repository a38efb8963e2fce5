"""Measures the optimisation loop: `python -m bench.loop`, or `make loop`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.loop.framework import Framework
from bench.loop.measure import NEAR, QUESTIONS, SOON, Question, Row, ask, everything, problems
from sustainml_orchestrator.reference_modules.estimate.validation import insert


def main(
    write: Annotated[Path | None, typer.Option(help="Document whose tables to replace.")] = None,
) -> None:
    """Optimise every problem of test/data/problems.yaml; print tables beside the best possible."""
    framework = Framework()
    answers = [(q, list(ask(q, framework, problems()))) for q in QUESTIONS]
    widely = [(q, list(ask(q, framework, everything()))) for q in QUESTIONS]
    parts = [
        f"The problems of the file:\n\n{_summary(answers)}",
        "Every task of the catalogue, on any hardware and on each class of it:\n\n"
        + _summary(widely),
        *(f"**{question.title}**\n\n{_table(question, rows)}" for question, rows in answers),
    ]
    text = "\n\n".join(parts)
    if write is None:
        typer.echo(text)
    else:
        insert(write, text)


def _summary(answers: list[tuple[Question, list[Row]]]) -> str:
    lines = [
        "| question | problems solved | target can be met | is met | "
        f"within {NEAR - 1:.0%} of the best possible, in at most {SOON} iterations | "
        "iterations, mean | most |",
        "|---|---|---|---|---|---|---|",
    ]
    for question, rows in answers:
        solved = [row for row in rows if row.possible]
        counts = [len(row.chain) for row in solved]
        reachable = sum(bool(row.possible and row.possible.reachable) for row in solved)
        met = sum(row.met for row in solved)
        hits = sum(row.hit for row in solved)
        targets = f"{reachable} | {met}" if question.target else "– | –"
        lines.append(
            f"| {question.title} | {len(solved)} of {len(rows)} | {targets} | "
            f"{hits} of {len(solved)} ({hits / len(solved):.0%}) | "
            f"{sum(counts) / len(counts):.1f} | {max(counts)} |"
        )
    return "\n".join(lines)


def _table(question: Question, rows: list[Row]) -> str:
    lines = [
        "| problem | first: model | quality | chosen: model | quality | carbon left | "
        "best possible | iterations | how it ended |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        first, chosen = row.chain[0], row.chosen
        if row.possible is None:
            lines.append(f"| {row.name} | – | – | – | – | – | – | 1 | nothing solves it |")
            continue
        left, least = chosen.carbon / first.carbon, row.possible.carbon / first.carbon
        miss = "" if row.hit else " **missed**"
        lines.append(
            f"| {row.name} | {first.model} | {first.quality:.3f} | {chosen.model} | "
            f"{chosen.quality:.3f} | {left:.1%} | {least:.1%}{miss} | {len(row.chain)} | "
            f"{_end(row, question)} |"
        )
    return "\n".join(lines)


def _end(row: Row, question: Question) -> str:
    reason = row.chain[-1].outcome_reason.partition(":")[0]
    if row.met:
        return "target met"
    if question.target and row.possible and not row.possible.reachable:
        return f"{reason}; nothing meets the target"
    return reason


if __name__ == "__main__":
    typer.run(main)
