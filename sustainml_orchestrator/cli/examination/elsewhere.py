"""Where an orchestrator is that does not answer here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sustainml_orchestrator.cli import background
from sustainml_orchestrator.cli.examination.finding import Finding, start_command
from sustainml_orchestrator.contract import domain

if TYPE_CHECKING:
    from sustainml_orchestrator.client import OrchestratorClient


def elsewhere(client: OrchestratorClient) -> Iterator[Finding]:
    """Orchestrators in other namespaces and domains, modules in this one, other ROS processes."""
    from sustainml_orchestrator.contract import names

    yield from (hanging := list(silent(client.namespace)))
    graph = sorted(set(client.run(client.node.get_node_names_and_namespaces)))
    for name, namespace in graph:
        if name == names.ORCHESTRATOR and namespace != client.namespace:
            text = f"an orchestrator runs in namespace {namespace}"
            yield Finding("warning", text, f"sustainml --namespace {namespace} doctor")
    here = [n for n, where in graph if where == client.namespace and n != client.node.get_name()]
    if here:
        remedy = f"start the orchestrator: {start_command('orchestrator')}"
        text = f"nodes in namespace {client.namespace}: {', '.join(here)}"
        yield Finding("ok", text, "" if hanging or names.ORCHESTRATOR in here else remedy)
    yield from _domains(client.namespace)


def silent(namespace: str) -> Iterator[Finding]:
    """An orchestrator whose process runs here, and does not answer."""
    number = domain.current()
    others = domain.users(number) - {os.geteuid()}  # theirs works, but cannot be reached
    if others or number not in domain.claimed(namespace, range(number, number + 1)):
        return
    remedy = "see what its log says last; if it hangs, end it with kill -9 and start it again"
    if (known := background.running()) is not None:
        remedy = (
            "sustainml logs orchestrator; if it hangs: sustainml down (ends process "
            f"{known.pid} and all that it has started), then sustainml up --detach"
        )
    text = f"the process of an orchestrator of namespace {namespace} runs here in domain {number}, "
    yield Finding("error", text + "but does not answer: it starts, was stopped, or hangs", remedy)


def _domains(namespace: str) -> Iterator[Finding]:
    current, safe = domain.current(), range(domain.LAST_SAFE + 1)
    for number in domain.claimed(namespace, safe):
        if number != current:
            text = f"an orchestrator of namespace {namespace} runs in domain {number}"
            yield Finding("warning", text, f"export ROS_DOMAIN_ID={number}")
    # The ports of higher domains may be in use by other programs.
    others = (n for n in safe if n != current and domain.participants(n))
    if numbers := ", ".join(map(str, others)):
        text = f"ROS processes of this machine run in other domains: {numbers}"
        yield Finding("ok", text, "set ROS_DOMAIN_ID to that of the orchestrator")
