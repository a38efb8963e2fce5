"""The `sustainml` app: its commands, its global options, and how it ends."""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import sustainml_orchestrator
from sustainml_orchestrator.cli import (
    background,
    catalogue,
    compare,
    doctor,
    history,
    journal,
    measure,
    new,
    nodes,
    pipeline,
    replay,
    report,
    rest,
    run,
    submit,
    tasks,
    web,
)
from sustainml_orchestrator.cli.console import err, out, write_json
from sustainml_orchestrator.cli.context import (
    EXIT_FAILED,
    EXIT_USAGE,
    Failure,
    check_variables,
    end_on_signals,
    interruption,
    options,
)
from sustainml_orchestrator.contract.domain import DomainError
from sustainml_orchestrator.contract.middleware import MiddlewareError, explain
from sustainml_orchestrator.core.text import cause

#: The base of all errors of usage; typer does not export it.
ClickException: Any = typer.BadParameter.__mro__[2]

#: Options that stand before the command.
_GLOBAL = ("--namespace", "-n", "--timeout", "--version")
_NAMESPACE = re.compile(r"/?([A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*)?/?")


class CommandLine(TyperGroup):
    """Ends with an exit code, and on an error with a sentence, or with JSON after --json."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command and flush its output."""
        given = args[0] if args else options.pop("args", None)
        words = list(sys.argv[1:] if given is None else given)
        is_standalone = options.get("standalone_mode", True)
        options |= {"standalone_mode": False, "prog_name": "sustainml"}
        try:
            code = super().main(words, *args[1:], **options)
        except Exception as error:
            code = _explain(error, words)
        code = code if isinstance(code, int) else 0
        try:
            sys.stdout.flush()
        except OSError as error:
            code = _fail(Failure(f"the output cannot be written: {cause(error)}"), [])
        if is_standalone:
            sys.exit(code)
        return code


def _explain(error: Exception, words: list[str]) -> int:
    """Say what ended the command; the exit code."""
    if interrupted := interruption(error):
        return interrupted
    if isinstance(error, ClickException):
        return _explain_usage(error, words)
    if isinstance(error, Failure):
        return _fail(error, words)
    if isinstance(error, (DomainError, MiddlewareError)):
        return _fail(Failure(str(error), EXIT_USAGE, name="INVALID_REQUEST", error_code=2), words)
    if isinstance(error, ImportError):
        return _fail(Failure(explain(error)), words)
    if isinstance(error, OSError):
        return _fail(_file_failure(error), words)
    for text in "".join(traceback.format_exception(error)).splitlines():
        err.say(text)
    return _fail(Failure(f"internal error: {error!r}; please report it"), words)


def _file_failure(error: OSError) -> Failure:
    """What to say of a file that cannot be read or written; the output has no name."""
    reason = cause(error)
    if error.filename is None:
        return Failure(f"the output cannot be written: {reason}; write it elsewhere")
    return Failure(f"{error.filename} cannot be used: {reason}; name another file")


def _explain_usage(error: Any, words: list[str]) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # the help was shown
        return int(error.exit_code)
    text = error.format_message().removeprefix("Invalid value: ").rstrip(".")
    option = getattr(error, "option_name", "")
    if context is not None and option in _GLOBAL and context.parent is not None:
        command = context.command_path.removeprefix("sustainml ")
        text = f"{option} goes before the command: sustainml {option} … {command}"
    if context is not None and "--help" not in text:
        text += f"; see {context.command_path} --help"
    return _fail(Failure(text, error.exit_code, name="INVALID_REQUEST", error_code=2), words)


def _fail(error: Failure, words: list[str]) -> int:
    text = " ".join(str(error).split())
    is_refusal = error.exit_code == EXIT_FAILED and error.name != "INTERNAL_ERROR"
    err.say((f"{error.name if is_refusal else 'error'}: ", "red"), text)
    if "--json" in words:
        write_json(
            {"success": False, "error_code": error.error_code, "error": error.name, "message": text}
        )
    return error.exit_code


app = typer.Typer(
    name="sustainml",
    cls=CommandLine,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 the task or request failed; 2 wrong usage; 3 no orchestrator "
    "is reachable; 130 interrupted. A task is written PROBLEM/ITERATION, for example 3/2.",
)


def _help(run: Any) -> str:
    """A docstring as help: its lines that are commands become a block of examples."""
    paragraphs = (inspect.getdoc(run) or "").split("\n\n")
    examples = [f"  {each}" for each in paragraphs if each.startswith("sustainml ")]
    text = [each for each in paragraphs if not each.startswith("sustainml ")]
    if examples:  # \b: the help must not wrap this paragraph
        text.append("\n".join(["\b", f"Example{'s' * (len(examples) > 1)}:", *examples]))
    return "\n\n".join(text)


def _version(wanted: bool) -> None:
    if wanted:
        out.say(f"sustainml {sustainml_orchestrator.__version__}")
        raise typer.Exit()


def _namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text):
        raise typer.BadParameter(
            f"'{text}' is no ROS namespace; use letters, digits and _ between slashes: /my_lab"
        )
    return text


@app.callback()
def settings(
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", callback=_namespace, help="Namespace of the nodes.")
    ] = "/sustainml",
    timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds to wait for an answer.")
    ] = 5.0,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Find the model and the hardware that solve a problem with the least carbon.

    `sustainml demo` shows the whole framework in half a minute. `sustainml up` starts it; then,
    in another terminal:

    sustainml submit --define "tell cats from dogs in photos" --watch

    sustainml list

    sustainml show 1/1
    """
    options.namespace, options.timeout = namespace, timeout
    if not {"-h", "--help"} & set(sys.argv):
        check_variables()


for _run in (run.up, run.demo, rest.rest, submit.submit, submit.iterate, tasks.watch, tasks.show,
             tasks.delete, compare.compare, history.history, replay.replay, nodes.nodes,
             nodes.configure, doctor.doctor, report.report, measure.measure, web.web):  # fmt: skip
    app.command()(_run)
app.command("list")(tasks.list_tasks)
for _background in (background.status, background.logs, background.down):
    app.command()(_background)
app.command("export")(journal.export_command)
app.command("import")(journal.import_command)
app.add_typer(nodes.node_app, name="node")
app.add_typer(tasks.task_app, name="task")
app.add_typer(journal.journal_app, name="journal")
app.add_typer(catalogue.catalogue_app, name="catalogue")
app.add_typer(pipeline.pipeline_app, name="pipeline")
app.add_typer(new.new_app, name="new")
for _app in (
    app, nodes.node_app, tasks.task_app, journal.journal_app, catalogue.catalogue_app,
    pipeline.pipeline_app, new.new_app,
):  # fmt: skip
    for _command in (*_app.registered_commands, _app.registered_callback):
        if _command is not None:
            _command.help = _help(_command.callback)


def main() -> None:
    """Run the command line of this process."""
    end_on_signals()
    app()
