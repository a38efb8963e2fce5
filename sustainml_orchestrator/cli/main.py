"""The app and its verbs; each group of verbs has a file."""

from __future__ import annotations

from typing import Annotated

import typer

import sustainml_orchestrator
from sustainml_orchestrator.cli import compare, doctor, journal, nodes, run, submit, tasks
from sustainml_orchestrator.cli.context import end_on_signals, options

app = typer.Typer(
    name="sustainml",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done; 1 the task or request failed; 2 wrong usage; 3 no orchestrator "
    "is reachable; 130 interrupted. A task is written PROBLEM/ITERATION, for example 3/2.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sustainml {sustainml_orchestrator.__version__}")
        raise typer.Exit()


@app.callback()
def settings(
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace of the framework.")
    ] = "/sustainml",
    timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Longest wait for an answer, in s.")
    ] = 5.0,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Find the model and the hardware that solve a problem with the least carbon.

    [bold]sustainml demo[/] shows it all in half a minute. [bold]sustainml up[/] starts the
    framework; then, in another terminal:

      sustainml submit --define "tell cats from dogs in photos" --watch
      sustainml list
      sustainml show 1/1
    """
    options.namespace, options.timeout = namespace, timeout


app.command()(run.up)
app.command()(run.demo)
app.command()(submit.submit)
app.command()(submit.iterate)
app.command()(tasks.watch)
app.command("list")(tasks.list_tasks)
app.command()(tasks.show)
app.command()(tasks.delete)
app.command()(compare.compare)
app.command()(nodes.nodes)
app.add_typer(nodes.node_app, name="node")
app.add_typer(tasks.task_app, name="task")
app.command()(nodes.configure)
app.command()(doctor.doctor)
app.command("export")(journal.export_command)
app.command("import")(journal.import_command)
app.add_typer(journal.journal_app, name="journal")


def main() -> None:
    """Do what the command line says."""
    end_on_signals()
    app()
