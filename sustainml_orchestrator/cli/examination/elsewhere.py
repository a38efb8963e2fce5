"""Where an orchestrator is that does not answer here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sustainml_orchestrator.cli import background
from sustainml_orchestrator.cli.examination.finding import Finding, start_command
from sustainml_orchestrator.contract import claim, domain, orchestrator_process

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
    process = orchestrator_process.find(namespace, domain.current())
    if process is None:
        return
    text, remedy = process.trouble()
    known = background.running()
    if known is not None and not process.is_of_another_user and not process.is_stopped:
        remedy = (
            "sustainml logs orchestrator; if it hangs: sustainml down (ends process "
            f"{known.pid} and all that it has started), then sustainml up --detach"
        )
    yield Finding("error", text, remedy)


def _domains(namespace: str) -> Iterator[Finding]:
    current, safe = domain.current(), range(domain.LAST_SAFE + 1)
    for number in claim.domains(namespace, safe):
        if number != current:
            text = f"an orchestrator of namespace {namespace} runs in domain {number}"
            yield Finding("warning", text, f"export ROS_DOMAIN_ID={number}")
    # The ports of higher domains may be in use by other programs.
    others = (n for n in safe if n != current and domain.participants(n))
    if numbers := ", ".join(map(str, others)):
        text = f"ROS processes of this machine run in other domains: {numbers}"
        yield Finding("ok", text, "set ROS_DOMAIN_ID to that of the orchestrator")
