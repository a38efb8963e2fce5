"""`sustainml doctor`: what is reachable, what is wrong, what to do."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

import sustainml_orchestrator
from sustainml_orchestrator.cli.console import out
from sustainml_orchestrator.cli.context import (
    EXIT_FAILED,
    EXIT_UNREACHABLE,
    AsJson,
    options,
    print_json,
)
from sustainml_orchestrator.contract import domain
from sustainml_orchestrator.core.ids import NodeStatus
from sustainml_orchestrator.core.states import ACTIVE_NODES

if TYPE_CHECKING:
    from sustainml_orchestrator.client import OrchestratorClient

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `ok`, `warning` or `error`."""

    level: str
    finding: str
    remedy: str = ""


def doctor(
    as_json: AsJson = False,
) -> None:
    """Look at the environment, the orchestrator and every node; say what to do.

    Ends with 0 when all is well, 1 when something is wrong, 3 when no orchestrator is reachable.

    sustainml doctor
    """
    findings = _environment()
    code = _look_at_ros(findings)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for item in findings:
            out.say((f"{item.level:>8}", _COLOURS[item.level]), f"  {item.finding}")
            if item.remedy:
                out.say(f"          → {item.remedy}")
    if code == 0 and any(item.level == "error" for item in findings):
        code = EXIT_FAILED
    raise typer.Exit(code)


def _environment() -> list[Finding]:
    distro = os.environ.get("ROS_DISTRO", "from wheels")
    middleware = os.environ.get("RMW_IMPLEMENTATION", "the default middleware")
    version = f"sustainml {sustainml_orchestrator.__version__}"
    findings = [
        Finding("ok", f"{version}, Python {platform.python_version()}, ROS {distro}, {middleware}")
    ]
    try:
        number = domain.current()
        others = f"{domain.participants(number)} ROS processes of this machine are in it"
        findings.append(Finding("ok", f"ROS_DOMAIN_ID is {number}; {others}"))
        if number > domain.LAST_SAFE:
            remedy = f"use a number from 0 to {domain.LAST_SAFE}"
            text = f"the ports of domain {number} may be in use by others"
            findings.append(Finding("warning", text, remedy))
    except ValueError as error:
        findings.append(Finding("error", str(error)))
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper() or "SUBNET"
    if reach in ("SUBNET", "LOCALHOST"):
        whom = "this machine alone" if reach == "LOCALHOST" else "the local network"
        findings.append(Finding("ok", f"discovery range is {reach}: {whom}"))
    else:
        remedy = "set ROS_AUTOMATIC_DISCOVERY_RANGE to LOCALHOST or SUBNET"
        findings.append(Finding("warning", f"discovery range is {reach}", remedy))
    return findings


def _look_at_ros(findings: list[Finding]) -> int:
    try:
        from sustainml_orchestrator.client import ClientError, OrchestratorClient
    except ImportError as error:
        remedy = "source the environment (`. ./env.sh`), or make it (`make build`)"
        findings.append(Finding("error", str(error), remedy))
        return EXIT_FAILED
    try:
        with OrchestratorClient(options.namespace, timeout=options.timeout) as client:
            try:
                _look_at_orchestrator(client, findings)
            except ClientError as error:
                findings.append(Finding("error", *error.message.split("; ", 1)))
                _look_elsewhere(client, findings)
                return EXIT_UNREACHABLE
    except ClientError as error:
        findings.append(Finding("error", error.message))
        return EXIT_UNREACHABLE
    return 0


def _look_at_orchestrator(client: OrchestratorClient, findings: list[Finding]) -> None:
    from sustainml_orchestrator.contract import names

    nodes = client.get_node_status()
    state = client.system_state()
    where = f"{client.namespace}/{names.ORCHESTRATOR}"
    findings.append(Finding("ok", f"{where} answers: version {state.version}"))
    if state.version != sustainml_orchestrator.__version__:
        remedy = "source the environment that it was started from"
        findings.append(Finding("warning", "its version is not that of this command", remedy))
    node = client.node
    if client.run(partial(node.count_publishers, names.SYSTEM_STATE)) > 1:
        remedy = "two command the same modules: stop one of them"
        findings.append(Finding("error", f"more than one node is {where}", remedy))
    known = {name for name, _ in client.run(node.get_service_names_and_types)}
    missing = [name for name in names.SERVICES if f"{where}/{name}" not in known]
    if missing:
        text = f"services not found: {', '.join(missing)}"
        findings.append(Finding("error", text, "restart the orchestrator"))
    else:
        findings.append(Finding("ok", f"all {len(names.SERVICES)} services are there"))
    findings.extend(_judge(node) for node in nodes)
    for state_of in nodes:
        live = [instance.instance for instance in state_of.instances if instance.responsive]
        if len(live) > 1:
            text = f"{state_of.node_name} runs {len(live)} times: {', '.join(live)}"
            findings.append(Finding("warning", text, "stop all but one"))
    if not state.ready:
        findings.append(Finding("error", f"tasks wait: {state.reason}", "see the nodes above"))
    counts = f"{state.waiting} waiting, {state.running} running, {state.succeeded} succeeded"
    findings.append(Finding("ok", f"tasks: {counts}, {state.failed} failed"))


def _judge(node: Any) -> Finding:
    name, status = node.node_name, NodeStatus(node.node_status)
    what = f"{name} is {status.name}"
    if node.restarts:
        what += f", restarted {node.restarts} times"
    if status in ACTIVE_NODES:
        return Finding("ok", what)
    if node.error_description:
        what += f": {node.error_description}"
    if not node.responsive:
        remedy = f"start its process: sustainml up, or ros2 run sustainml_orchestrator {name}"
        return Finding("error", what, remedy)
    if status in (NodeStatus.INITIALIZING, NodeStatus.TERMINATING):
        return Finding("warning", what, "wait a little")
    if status is NodeStatus.ERROR:
        return Finding("error", what, f"sustainml node reset {name}")
    return Finding("error", what, f"sustainml node start {name}")


def _look_elsewhere(client: OrchestratorClient, findings: list[Finding]) -> None:
    """Orchestrators in other namespaces, and modules that wait for one."""
    from sustainml_orchestrator.contract import names

    graph = sorted(set(client.run(client.node.get_node_names_and_namespaces)))
    for name, namespace in graph:
        if name == names.ORCHESTRATOR and namespace != client.namespace:
            remedy = f"sustainml --namespace {namespace} doctor"
            findings.append(Finding("warning", f"there is one in {namespace}", remedy))
    others = [n for n, where in graph if where == client.namespace and n != client.node.get_name()]
    if others:
        text = f"nodes seen in {client.namespace}: {', '.join(others)}"
        alone = names.ORCHESTRATOR not in others
        remedy = "they go on with it: ros2 run sustainml_orchestrator orchestrator" if alone else ""
        findings.append(Finding("ok", text, remedy))
