"""`sustainml doctor`: what is reachable, what is wrong, what to do."""

from __future__ import annotations

import os
import platform
from typing import Annotated

import typer

from sustainml_orchestrator.cli.context import (
    EXIT_FAILED,
    EXIT_UNREACHABLE,
    options,
    out,
    print_json,
)
from sustainml_orchestrator.core.ids import NodeStatus
from sustainml_orchestrator.core.states import ACTIVE_NODES


def doctor(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Look at the environment, the orchestrator and every node; end with 0 when all is well."""
    findings: list[tuple[str, str, str]] = []  # (level, what, remedy)
    _look_at_environment(findings)
    code = _look_at_ros(findings)
    if as_json:
        print_json([dict(zip(("level", "finding", "remedy"), f, strict=True)) for f in findings])
    else:
        colours = {"ok": "green", "warning": "yellow", "error": "red"}
        for level, what, remedy in findings:
            out.print(f"[{colours[level]}]{level:>8}[/]  {what}", highlight=False)
            if remedy:
                out.print(f"          → {remedy}", highlight=False)
    raise typer.Exit(code)


def _look_at_environment(findings: list[tuple[str, str, str]]) -> None:
    findings.append(("ok", f"Python {platform.python_version()} on {platform.system()}", ""))
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    if domain.isdigit() and int(domain) <= 101:
        findings.append(("ok", f"ROS_DOMAIN_ID is {domain}", ""))
    else:
        remedy = "use a number from 0 to 101; higher ones may meet ports that are in use"
        findings.append(("warning", f"ROS_DOMAIN_ID is '{domain}'", remedy))
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET (default)")
    findings.append(("ok", f"discovery range is {reach}", ""))
    if reach == "OFF":
        remedy = "unset ROS_AUTOMATIC_DISCOVERY_RANGE, or set it to LOCALHOST or SUBNET"
        findings.append(("warning", "discovery is off: only static peers are seen", remedy))


def _look_at_ros(findings: list[tuple[str, str, str]]) -> int:
    try:
        from sustainml_orchestrator.client import ClientError, OrchestratorClient
    except ImportError as error:
        remedy = "source the environment (`. ./env.sh`), or build it (`make build`)"
        findings.append(("error", f"{error}", remedy))
        return EXIT_FAILED
    with OrchestratorClient(options.namespace, timeout=options.timeout) as client:
        try:
            state = client.system_state(min(2.5, options.timeout))
            nodes = client.get_node_status()
        except ClientError as error:
            findings.append(("error", "no orchestrator answers", error.message))
            return EXIT_UNREACHABLE
    findings.append(("ok", f"orchestrator {state.version}, session {state.session}, answers", ""))
    code = 0
    for node in nodes:
        status = NodeStatus(node.node_status)
        if status in ACTIVE_NODES:
            findings.append(("ok", f"{node.node_name} is {status.name}", ""))
        else:
            code = EXIT_FAILED
            what = f"{node.node_name} is {status.name}: {node.error_description or 'inactive'}"
            findings.append(("error", what, _remedy(node)))
        if len(node.instances) > 1:
            what = f"{node.node_name} runs {len(node.instances)} times: {node.instances}"
            findings.append(("warning", what, "stop all but one"))
    counts = f"{state.waiting} wait, {state.running} run, {state.succeeded} succeeded"
    findings.append(("ok", f"tasks: {counts}, {state.failed} failed", ""))
    return code


def _remedy(node: object) -> str:
    name = node.node_name  # type: ignore[attr-defined]
    if not node.responsive:  # type: ignore[attr-defined]
        return f"start its process: ros2 run sustainml_orchestrator {name}, or sustainml up"
    return f"sustainml node {'reset' if node.node_status == 1 else 'start'} {name}"  # type: ignore[attr-defined]
