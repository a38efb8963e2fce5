"""Judges the answers to a hundred problems: `python -m bench.answers`, or `make answers`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.answers.check import COUNTS, Answer, ask, faults
from bench.answers.coverage import Coverage
from bench.answers.where import table
from bench.loop.framework import Framework
from sustainml_orchestrator.reference_modules.estimate.validation import insert


def main(
    write: Annotated[Path | None, typer.Option(help="Document whose table to replace.")] = None,
) -> None:
    """Ask every problem of bench/answers/problems.yaml; print a table of the judgements."""
    framework = Framework()
    rows = []
    for problem in table("problems")["problems"]:
        answer = ask(framework, problem)
        rows.append((problem, answer, faults(problem, answer)))
    text = f"{_summary(rows)}\n\n{_table(rows)}"
    if write is None:
        typer.echo(text)
    else:
        insert(write, text)
        typer.echo(_summary(rows))


_Row = tuple[dict[str, Any], Answer, list[str]]


def _summary(rows: list[_Row]) -> str:
    good = sum(not wrong for *_, wrong in rows)
    refused = sum("refuse" in problem and not wrong for problem, _, wrong in rows)
    answered = [answer for _, answer, _ in rows if not answer.refusal]
    covered = Coverage().covers(answered)
    lines = [
        f"Acceptable on every count: **{good} of {len(rows)}**, {refused} of them refusals with a "
        f"good reason. Of {len(answered)} answers {covered} have a published measurement on the "
        "same class of device with the same runtime and kind of operations.",
        "",
        "| count | not acceptable |",
        "|---|---|",
    ]
    names = ("should be refused", "refused", "reason of the refusal", *COUNTS)
    lines += [f"| {name} | {sum(name in wrong for *_, wrong in rows)} |" for name in names]
    return "\n".join(lines)


def _table(rows: list[_Row]) -> str:
    lines = ["| | problem | answer | not acceptable |", "|---|---|---|---|"]
    for number, (problem, answer, wrong) in enumerate(rows, 1):
        given = answer.refusal or f"{answer.model} on {answer.hardware}"
        text = " ".join(problem["text"].split()).replace("|", "/")
        lines.append(
            f"| {number} | {text} | {given[:160].replace('|', '/')} | {', '.join(wrong)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
