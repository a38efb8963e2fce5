"""The orchestrator and its nodes, by its services and diagnostics."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import sustainml_orchestrator
from sustainml_orchestrator.cli import background
from sustainml_orchestrator.cli.examination.finding import Finding, start_command
from sustainml_orchestrator.cli.figures import age, seconds_of
from sustainml_orchestrator.contract.orchestrator_process import is_stopped
from sustainml_orchestrator.core.ids import NodeStatus
from sustainml_orchestrator.core.states import ACTIVE_NODES
from sustainml_orchestrator.core.text import duration

if TYPE_CHECKING:
    from sustainml_orchestrator.client import OrchestratorClient

#: The orchestrator publishes its diagnostics every second.
_DIAGNOSTICS_WAIT = 2.5  # s
#: A module that came back so often, and was lost within so many s, is not just restarted.
_FLAPS, _RECENT = 3, 600.0
#: Clocks of hosts that differ by more (s) make times of the history misleading.
_CLOCK_DIFFERENCE = 2.0


def system(client: OrchestratorClient) -> Iterator[Finding]:
    """The orchestrator, its services, its nodes."""
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
    yield from _services(client, name)
    for node in nodes:
        yield node_finding(node)
        yield from instance_findings(node)
    if not state.ready:
        yield Finding("error", f"tasks wait: {state.reason}", "see the nodes above")
    yield from _own_trouble(client)
    difference = time.time() - seconds_of(client.system_state().stamp)
    # The state is published at least every 5 s.
    if not -_CLOCK_DIFFERENCE < difference < 5.0 + _CLOCK_DIFFERENCE:
        where = "behind" if difference > 0 else "ahead of"
        amount = duration(abs(difference))
        text = f"the clock of the orchestrator's host is {amount} {where} that of this one"
        yield Finding("warning", text, "synchronise both, for example with chrony")


def _services(client: OrchestratorClient, name: str) -> Iterator[Finding]:
    from sustainml_orchestrator.contract import names

    known = {service for service, _ in client.run(client.node.get_service_names_and_types)}
    missing = [service for service in names.SERVICES if f"{name}/{service}" not in known]
    if missing:
        text = f"services not found: {', '.join(missing)}"
        yield Finding("error", text, "restart the orchestrator")
    else:
        yield Finding("ok", f"all {len(names.SERVICES)} services are there")


def node_finding(node: Any) -> Finding:
    """The state of one module."""
    name, status = node.node_name, NodeStatus(node.node_status)
    text = f"{name} is {status.name}"
    if node.restarts:
        text += f", restarted {node.restarts} time{'s' * (node.restarts > 1)}"
    if status in ACTIVE_NODES:
        return Finding("ok", text)
    if node.error_description:
        text += f": {node.error_description}"
    if not node.responsive:
        return Finding("error", text, _how_to_start(node))
    if status in (NodeStatus.INITIALIZING, NodeStatus.TERMINATING):
        return Finding("warning", text, "wait until it has finished; run doctor again")
    verb = "reset" if status is NodeStatus.ERROR else "start"
    logs = f"; its log says more: sustainml logs {name}" if status is NodeStatus.ERROR else ""
    return Finding("error", text, f"sustainml node {verb} {name}{logs}")


def _how_to_start(node: Any) -> str:
    """By the supervisor that should run it, where there is one."""
    name = node.node_name
    if known := background.running():
        pids = [row["pid"] for row in background.processes(known.pid) if row["process"] == name]
        if pids and is_stopped(pids[0]):
            return f"its process was stopped by a signal: kill -CONT {pids[0]} lets it go on"
        if pids:
            return (
                f"its process {pids[0]} runs: it starts, or hangs; see: sustainml logs {name}; "
                f"after kill -9 {pids[0]} it is started again"
            )
        return (
            f"sustainml up (process {known.pid}) does not run it: it was left out, given up, or "
            f"is about to be restarted; see: sustainml logs {name}; sustainml logs up"
        )
    return f"start its process: {start_command(name)}"


def instance_findings(node: Any) -> Iterator[Finding]:
    """Its processes, beside its state."""
    name = node.node_name
    live = [instance.instance for instance in node.instances if instance.responsive]
    if len(live) > 1:
        yield Finding("ok", f"{name} has {len(live)} instances: {', '.join(live)}")
    for instance in node.instances:
        if len(live) > 1 and instance.responsive and instance.node_status == NodeStatus.ERROR:
            own = instance.instance.rpartition("/")[2]
            text = f"instance {own} of {name} is in ERROR"
            if any(i.responsive and i.node_status in ACTIVE_NODES for i in node.instances):
                text += "; the other instances do its work"
            remedy = f"sustainml logs {own} says why; then sustainml node reset {name}"
            yield Finding("error", text, remedy)
    lost = time.time() - seconds_of(node.last_loss)
    if node.restarts >= _FLAPS and lost < _RECENT:
        text = f"{name} does not stay up: restarted {node.restarts} times, "
        text += f"last lost {age(node.last_loss)} ago"
        yield Finding("warning", text, f"sustainml history {name}; sustainml logs {name}")
    if node.resets and NodeStatus(node.node_status) in ACTIVE_NODES:
        text = f"{name} was reset {node.resets} times to recover"
        yield Finding("warning", text, f"sustainml history {name} says why")


_LEVELS = {b"\x01": "warning", b"\x02": "error"}
#: Parts of the diagnostics, and what to do about a problem where the status does not say it.
_PARTS = {
    "journal": "make room; sustainml journal check",
    "dropped messages": "look for a participant of another version: sustainml logs orchestrator",
    "queues": "sustainml nodes shows the module that does not answer; or raise max_pending_calls",
}


def _own_trouble(client: OrchestratorClient) -> Iterator[Finding]:
    from sustainml_orchestrator.client.diagnostics import Diagnostics

    with Diagnostics(client) as diagnostics:
        yield from diagnosed(diagnostics.wait(_DIAGNOSTICS_WAIT))


def diagnosed(parts: Mapping[str, Any]) -> Iterator[Finding]:
    """The problems in the diagnostics of the orchestrator: journal, messages, calls, deadlines.

    Args:
        parts: DiagnosticStatus by the name of the part.
    """
    for part, usual in _PARTS.items():
        status = parts.get(part)
        if status is None or status.level not in _LEVELS:
            continue
        if part == "queues" and "calls are pending" not in status.message:
            continue  # the queue of tasks is examined with the tasks
        text, *remedy = status.message.split("; ", 1)
        yield Finding(
            _LEVELS[status.level], text if part in text else f"{part}: {text}", *(remedy or [usual])
        )
    for value in parts["tasks"].values if "tasks" in parts else ():
        if value.key.startswith("near its deadline"):
            module = value.value.partition(": ")[2].partition(" ")[0] or "MODULE"
            remedy = f"look at sustainml logs {module}; raise its timeout in the pipeline file"
            yield Finding("warning", f"near its deadline: {value.value}", remedy)
