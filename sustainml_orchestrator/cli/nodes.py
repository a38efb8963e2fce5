"""`sustainml nodes`, `node …` and `configure`: the modules' nodes."""

from __future__ import annotations

from typing import Annotated

import typer

from sustainml_orchestrator.cli.console import out
from sustainml_orchestrator.cli.context import AsJson, connected, print_json
from sustainml_orchestrator.cli.problems import parse_json
from sustainml_orchestrator.core.ids import NodeCommand

NameArgument = Annotated[str, typer.Argument(help="Name of the module, or 'all'.")]
TimeoutOption = Annotated[float, typer.Option(min=0.1, help="Seconds to wait until it confirms.")]


def nodes(as_json: AsJson = False) -> None:
    """Show the state of every node, its processes, and how often they were lost and replaced.

    sustainml nodes
    """
    from sustainml_orchestrator.cli.tables import node_table

    with connected() as client:
        states = client.get_node_status()
    print_json(states) if as_json else out.print(node_table(states))


node_app = typer.Typer(no_args_is_help=True, help="Command a module's node.")


def _add_command(command: NodeCommand, text: str) -> None:
    def run(name: NameArgument, timeout: TimeoutOption = 30.0, as_json: AsJson = False) -> None:
        from sustainml_orchestrator.cli.tables import node_table

        with connected() as client:
            states = client.control_node("" if name == "all" else name, command, timeout)
        print_json(states) if as_json else out.print(node_table(states))

    run.__doc__ = text
    node_app.command(command.name.lower())(run)


for _command, _text in {
    NodeCommand.START: """Start it: it loads what it needs and takes tasks.

    sustainml node start all
    """,
    NodeCommand.STOP: """Stop it: it gives back its tasks, which wait until it is started.

    sustainml node stop hw_resources
    """,
    NodeCommand.RESET: """Reset it: it drops its tasks, initialises and gets them again.

    This is the way out of ERROR.

    sustainml node reset hw_resources
    """,
    NodeCommand.TERMINATE: """End its process; respawned, it stays inactive until it is started.

    sustainml node terminate hw_resources
    """,
}.items():
    _add_command(_command, _text)


def configure(
    node: Annotated[str, typer.Argument(help="Name of the module.")],
    configuration: Annotated[
        str | None, typer.Argument(help="JSON object; none = show the present one.")
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
