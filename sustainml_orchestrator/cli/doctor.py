"""`sustainml doctor`: checks the environment, the orchestrator and the nodes."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

import sustainml_orchestrator
from sustainml_orchestrator.cli.console import divert_foreign_output, out
from sustainml_orchestrator.cli.context import (
    EXIT_FAILED,
    EXIT_UNREACHABLE,
    AsJson,
    options,
    print_json,
)  # fmt: skip
from sustainml_orchestrator.contract import domain
from sustainml_orchestrator.core.ids import NodeStatus
from sustainml_orchestrator.core.states import ACTIVE_NODES

if TYPE_CHECKING:
    from sustainml_orchestrator.client import OrchestratorClient

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}
#: The orchestrator publishes its diagnostics every second.
_DIAGNOSTICS_WAIT = 2.5  # s


@dataclass(frozen=True)
class Finding:
    """The result of one check: level `ok`, `warning` or `error`, and what to do."""

    level: str
    finding: str
    remedy: str = ""


def doctor(as_json: AsJson = False) -> None:
    """Check the environment, the orchestrator and the nodes.

    Exit codes: 0 no error was found; 1 there are errors; 3 no orchestrator is reachable.

    sustainml doctor
    """
    findings = list(_environment())
    code = _check_ros(findings)
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


def _environment() -> Iterator[Finding]:
    distro = os.environ.get("ROS_DISTRO", "from wheels")
    middleware = os.environ.get("RMW_IMPLEMENTATION", "the default middleware")
    version = f"sustainml {sustainml_orchestrator.__version__}"
    text = f"{version}, Python {platform.python_version()}, ROS {distro}, {middleware}"
    yield Finding("ok", text)
    try:
        number = domain.current()
    except ValueError as error:
        yield Finding("error", *str(error).split("; ", 1))
    else:
        count = domain.participants(number)
        yield Finding("ok", f"ROS_DOMAIN_ID is {number}; it has {count} processes of this machine")
        if number > domain.LAST_SAFE:
            text = f"other programs may use the ports of domain {number}"
            yield Finding("warning", text, f"use a number from 0 to {domain.LAST_SAFE}")
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper() or "SUBNET"
    if reach in ("SUBNET", "LOCALHOST"):
        whom = "this machine only" if reach == "LOCALHOST" else "the local network"
        yield Finding("ok", f"discovery range is {reach}: {whom}")
    else:
        remedy = "set ROS_AUTOMATIC_DISCOVERY_RANGE to LOCALHOST or SUBNET"
        yield Finding("warning", f"discovery range is {reach}", remedy)


def _check_ros(findings: list[Finding]) -> int:
    """Add the findings that need ROS; return the exit code."""
    try:
        from sustainml_orchestrator.client import ClientError, OrchestratorClient
    except ImportError as error:
        remedy = "source the environment (`. ./env.sh`), or make it (`make build`)"
        findings.append(Finding("error", f"ROS 2 cannot be loaded: {error}", remedy))
        return EXIT_FAILED
    divert_foreign_output()
    try:
        with OrchestratorClient(options.namespace, timeout=options.timeout) as client:
            try:
                findings.extend(_orchestrator(client))
            except ClientError as error:
                findings.append(Finding("error", *error.message.split("; ", 1)))
                findings.extend(_elsewhere(client))
                return EXIT_UNREACHABLE
    except ClientError as error:
        findings.append(Finding("error", *error.message.split("; ", 1)))
        return EXIT_UNREACHABLE
    return 0


def _orchestrator(client: OrchestratorClient) -> Iterator[Finding]:
    from sustainml_orchestrator.contract import names

    nodes, state = client.get_node_status(), client.system_state()
    name = f"{client.namespace}/{names.ORCHESTRATOR}"
    yield Finding("ok", f"{name} answers: version {state.version}")
    if state.version != sustainml_orchestrator.__version__:
        text = f"the orchestrator has version {state.version}, this command another"
        yield Finding("warning", text, "source the environment that it was started from")
    if client.run(partial(client.node.count_publishers, names.SYSTEM_STATE)) > 1:
        text = f"more than one orchestrator runs as {name}"
        yield Finding("error", text, "both command the same modules: stop one of them")
    known = {service for service, _ in client.run(client.node.get_service_names_and_types)}
    missing = [service for service in names.SERVICES if f"{name}/{service}" not in known]
    if missing:
        text = f"services not found: {', '.join(missing)}"
        yield Finding("error", text, "restart the orchestrator")
    else:
        yield Finding("ok", f"all {len(names.SERVICES)} services are there")
    for node in nodes:
        yield _node(node)
        live = [instance.instance for instance in node.instances if instance.responsive]
        if len(live) > 1:
            yield Finding("ok", f"{node.node_name} has {len(live)} instances: {', '.join(live)}")
    if not state.ready:
        yield Finding("error", f"tasks wait: {state.reason}", "see the nodes above")
    yield from _own_trouble(client, name)
    counts = f"{state.waiting} waiting, {state.running} running, {state.succeeded} succeeded"
    yield Finding("ok", f"tasks: {counts}, {state.failed} failed, {state.stopped} stopped")


def _node(node: Any) -> Finding:
    name, status = node.node_name, NodeStatus(node.node_status)
    text = f"{name} is {status.name}"
    if node.restarts:
        text += f", restarted {node.restarts} times"
    if status in ACTIVE_NODES:
        return Finding("ok", text)
    if node.error_description:
        text += f": {node.error_description}"
    if not node.responsive:
        remedy = f"start its process: sustainml up, or ros2 run sustainml_orchestrator {name}"
        return Finding("error", text, remedy)
    if status in (NodeStatus.INITIALIZING, NodeStatus.TERMINATING):
        return Finding("warning", text, "wait until it has finished; run doctor again")
    verb = "reset" if status is NodeStatus.ERROR else "start"
    return Finding("error", text, f"sustainml node {verb} {name}")


def _own_trouble(client: OrchestratorClient, name: str) -> Iterator[Finding]:
    """What the orchestrator's diagnostics report of itself, for example of its journal."""
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
    from rclpy.qos import QoSProfile

    from sustainml_orchestrator.client.feed import Feed

    deadline = time.monotonic() + _DIAGNOSTICS_WAIT
    with Feed(client, DiagnosticArray, "/diagnostics", QoSProfile(depth=10)) as feed:
        while (left := deadline - time.monotonic()) > 0:
            message = feed.get(left)
            for status in message.status if message else ():
                if status.name == f"{name}: tasks":
                    if status.level == DiagnosticStatus.ERROR:
                        yield Finding("error", *status.message.split("; ", 1))
                    return


def _elsewhere(client: OrchestratorClient) -> Iterator[Finding]:
    """Orchestrators in other namespaces, modules in this one, and processes in other domains."""
    from sustainml_orchestrator.contract import names

    graph = sorted(set(client.run(client.node.get_node_names_and_namespaces)))
    for name, namespace in graph:
        if name == names.ORCHESTRATOR and namespace != client.namespace:
            text = f"an orchestrator runs in namespace {namespace}"
            yield Finding("warning", text, f"sustainml --namespace {namespace} doctor")
    here = [n for n, where in graph if where == client.namespace and n != client.node.get_name()]
    if here:
        remedy = "start the orchestrator: ros2 run sustainml_orchestrator orchestrator"
        text = f"nodes in namespace {client.namespace}: {', '.join(here)}"
        yield Finding("ok", text, "" if names.ORCHESTRATOR in here else remedy)
    # The ports of higher domains may be in use by other programs.
    others = (n for n in range(domain.LAST_SAFE + 1) if domain.participants(n))
    if numbers := ", ".join(str(n) for n in others if n != domain.current()):
        text = f"ROS processes of this machine run in other domains: {numbers}"
        yield Finding("ok", text, "set ROS_DOMAIN_ID to that of the orchestrator")
