"""`sustainml nodes`, `node …` and `configure`: the nodes of the modules."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group

from sustainml_orchestrator.cli import live
from sustainml_orchestrator.cli.console import err, out
from sustainml_orchestrator.cli.context import AsJson, check_form, connected, print_json
from sustainml_orchestrator.cli.live import WatchOption
from sustainml_orchestrator.cli.problems import parse_json
from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus

if TYPE_CHECKING:
    from sustainml_msgs.msg import NodeState

    from sustainml_orchestrator.client import OrchestratorClient

_POLL_PERIOD = 0.2  # s

NameArgument = Annotated[str, typer.Argument(help="Name of a module, or 'all'.")]
TimeoutOption = Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the node.")]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait/--no-wait",
        help="Wait for processes that end or restart.",
    ),
]


def nodes(watch: WatchOption = False, as_json: AsJson = False) -> None:
    """Show the state of every node and of its processes.

    For each process: for how long it is known, the tasks that it has done and holds now.

    sustainml nodes
    """
    from sustainml_orchestrator.cli.tables import node_table

    check_form(json=as_json, watch=watch)
    with connected() as client:
        if watch:
            live.watch(lambda: Group(node_table(client.get_node_status())))
        _show(client.get_node_status(), as_json)


def _show(states: list[NodeState], as_json: bool) -> None:
    from sustainml_orchestrator.cli.tables import node_table

    print_json(states) if as_json else out.print(node_table(states))


node_app = typer.Typer(no_args_is_help=True, help="Command the node of a module.")


def _add_command(command: NodeCommand, text: str) -> None:
    def run(
        name: NameArgument,
        timeout: TimeoutOption = 30.0,
        wait: Wait = True,
        as_json: AsJson = False,
    ) -> None:
        deadline = time.monotonic() + timeout
        target = "" if name == "all" else name
        with connected() as client:
            before = client.get_node_status(target)
            if wait and command in (NodeCommand.START, NodeCommand.RESET):
                _wait_while(_is_changing, client, target, deadline)  # too long: it is refused
            left = max(0.1, deadline - time.monotonic())
            states = client.control_node(target, command, left)
            if wait and command is NodeCommand.TERMINATE:
                former = {i.incarnation for state in before for i in state.instances}
                _wait_while(lambda state: _is_alive(state, former), client, target, deadline)
                states = client.get_node_status(target)
        _show(states, as_json)

    run.__doc__ = text
    node_app.command(command.name.lower())(run)


def _wait_while(
    condition: Callable[[NodeState], bool], client: OrchestratorClient, name: str, deadline: float
) -> None:
    """Wait while it holds for one of the nodes, not beyond the deadline (s, monotonic)."""
    said = ""
    while time.monotonic() < deadline:
        node = next((state for state in client.get_node_status(name) if condition(state)), None)
        if node is None:
            return
        status = NodeStatus(node.node_status).name if node.responsive else "lost"
        text = f"waiting: node {node.node_name} is {status}"
        if text != said:
            err.say(text)
            said = text
        time.sleep(_POLL_PERIOD)


def _is_changing(state: NodeState) -> bool:
    """Whether the process of a node is ending, or has ended and is not replaced yet."""
    is_lost = bool(state.instances) and not state.responsive
    return is_lost or state.node_status == NodeStatus.TERMINATING


def _is_alive(state: NodeState, incarnations: set[int]) -> bool:
    return any(i.responsive and i.incarnation in incarnations for i in state.instances)


for _command, _text in {
    NodeCommand.START: """Start a node: it initializes and takes tasks.

    sustainml node start all
    """,
    NodeCommand.STOP: """Stop a node; its tasks wait until it is started again.

    sustainml node stop hw_resources
    """,
    NodeCommand.RESET: """Reset a node: it initializes and restarts its tasks.

    A node that is in ERROR leaves that state by a reset.

    sustainml node reset hw_resources
    """,
    NodeCommand.TERMINATE: """End the process of a node.

    A process that is started in its place is inactive until `node start`.

    sustainml node terminate hw_resources
    """,
}.items():
    _add_command(_command, _text)


def configure(
    node: Annotated[str, typer.Argument(help="Name of a module.")],
    configuration: Annotated[
        str | None, typer.Argument(help="A JSON object; without it the current one is shown.")
    ] = None,
    timeout: TimeoutOption = 10.0,
    as_json: AsJson = False,
) -> None:
    """Show or change the configuration of a module, as JSON.

    sustainml configure carbon_tracker

    sustainml configure ml_model_provider '{"kept_quality": 0.8}'
    """
    wanted = parse_json(configuration, "CONFIGURATION") if configuration else None
    with connected() as client:
        print_json(client.configure_node(node, wanted, timeout))
