"""`sustainml doctor`: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import typer

from sustainml_orchestrator.cli.console import Console, divert_foreign_output, out
from sustainml_orchestrator.cli.context import (
    EXIT_FAILED,
    EXIT_UNREACHABLE,
    AsJson,
    options,
    print_json,
)
from sustainml_orchestrator.cli.examination.environment import environment
from sustainml_orchestrator.cli.examination.finding import Finding
from sustainml_orchestrator.contract.middleware import MiddlewareError

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def doctor(as_json: AsJson = False) -> None:
    """Check the environment, the orchestrator, the nodes and the tasks.

    Each finding has its cause and what to do; the last line is the verdict. Exit codes: 0 no error
    was found; 1 there are errors; 3 no orchestrator is reachable.

    sustainml doctor
    """
    findings, code = examine()
    if as_json:
        print_json(as_data(findings, code))
        raise typer.Exit(code)
    print_findings(findings, out)
    raise typer.Exit(code)


def as_data(findings: Sequence[Finding], code: int) -> dict[str, Any]:
    """All of it as JSON data."""
    rows = [asdict(finding) for finding in findings]
    return {"verdict": verdict(findings), "exit_code": code, "findings": rows}


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Each with what to do, then the verdict."""
    for item in findings:
        console.say((f"{item.level:>8}", _COLOURS.get(item.level, "")), f"  {item.finding}")
        if item.remedy:
            console.say(f"          → {item.remedy}")
    console.say(f" verdict  {verdict(findings)}")


def examine() -> tuple[list[Finding], int]:
    """All findings, and the exit code."""
    findings = list(environment())
    code = _with_ros(findings)
    if code == 0 and any(item.level == "error" for item in findings):
        code = EXIT_FAILED
    return findings, code


def verdict(findings: Sequence[Finding]) -> str:
    """One sentence: how many errors and warnings, and the first of them."""
    counts = {level: [f for f in findings if f.level == level] for level in ("error", "warning")}
    worst = [*counts["error"], *counts["warning"]]
    if not worst:
        return "all is well"
    numbers = [f"{len(each)} {level}{'s' * (len(each) > 1)}" for level, each in counts.items()]
    stated = ", ".join(text for text in numbers if not text.startswith("0 "))
    return f"{stated}; first look at: {worst[0].finding}"


def _with_ros(findings: list[Finding]) -> int:
    """Add the findings that need ROS; return the exit code."""
    try:
        from sustainml_orchestrator.cli.examination.elsewhere import elsewhere
        from sustainml_orchestrator.cli.examination.system import system
        from sustainml_orchestrator.cli.examination.work import work
        from sustainml_orchestrator.client import ClientError, OrchestratorClient, RequestRefused
    except MiddlewareError:  # found already
        return EXIT_FAILED
    except ImportError as error:
        remedy = "source the environment (`. ./env.sh`), or make it (`make build`)"
        findings.append(Finding("error", f"ROS 2 cannot be loaded: {error}", remedy))
        return EXIT_FAILED
    divert_foreign_output()
    try:
        with OrchestratorClient(options.namespace, timeout=options.timeout) as client:
            try:
                findings.extend(system(client))
                findings.extend(work(client))
            except RequestRefused as error:  # it is here, and answered
                findings.append(Finding.of_error(error.message))
                return EXIT_FAILED
            except ClientError as error:
                found = list(elsewhere(client))
                if not any(item.level == "error" for item in found):  # its cure is another one
                    findings.append(Finding.of_error(error.message))
                findings.extend(found)
                return EXIT_UNREACHABLE
    except ClientError as error:
        findings.append(Finding.of_error(error.message))
        return EXIT_UNREACHABLE
    return 0
