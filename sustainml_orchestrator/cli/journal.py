"""`sustainml export`, `import` and `journal …`: the orchestrator's database as a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, TextIO

import typer

from sustainml_orchestrator.cli.console import as_utf8, err, out
from sustainml_orchestrator.cli.context import (
    EXIT_FAILED,
    AsJson,
    Failure,
    options,
    print_json,
    readable,
    written,
)
from sustainml_orchestrator.core.text import cause


def _usual_place() -> Path:
    """That of this namespace and domain, as `sustainml up` uses it."""
    from sustainml_orchestrator.contract import domain
    from sustainml_orchestrator.storage.location import default_path

    with _reported():
        return default_path(options.namespace, domain.current())


JournalOption = Annotated[
    Path,
    typer.Option(
        "--journal",
        "-j",
        help="The journal; by default that of `sustainml up`.",
        show_default=False,
        default_factory=_usual_place,
    ),
]
SourceArgument = Annotated[Path, typer.Argument(help="The file; - is standard input.")]


@contextmanager
def _reported(file: Path | None = None) -> Iterator[None]:
    """An error, also of a file that is read or written, ends the program with a sentence."""
    from sustainml_orchestrator.storage.errors import JournalError

    try:
        yield
    except JournalError as error:
        raise Failure(error.in_commands()) from error
    except BrokenPipeError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be used: {cause(error)}; name another file") from error


TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="The file, - is standard output; of mlflow: its folder or URI."
    ),
]
FormatOption = Annotated[
    Literal["jsonl", "csv", "mlflow"],
    typer.Option("--format", help="jsonl can be imported again; csv is a table for people."),
]


def export_command(
    target: TargetArgument, journal: JournalOption, form: FormatOption = "jsonl"
) -> None:
    """Export the database: one line of JSON or CSV, or one run of MLflow, for each iteration.

    It may be in use meanwhile. Columns and metrics have their units in their names.

    sustainml export problems.jsonl

    sustainml export problems.csv --format csv

    sustainml export ./mlruns --format mlflow
    """
    from sustainml_orchestrator.cli import exporting
    from sustainml_orchestrator.storage.export import export, rows

    def write(stream: TextIO) -> int:
        if form == "csv":
            return exporting.to_csv(rows(journal), stream)
        return export(journal, stream)

    file = Path(target)
    with _reported(file):
        if form == "mlflow":
            count = exporting.to_mlflow(rows(journal), target)
            out.say(f"{count} runs written to {target}")
            return
        if target == "-":
            write(as_utf8(sys.stdout))
            return
        with written(file, journal) as stream:
            count = write(stream)
    if stream is not sys.stdout:
        out.say(f"{count} iterations written to {file}")


def import_command(file: SourceArgument, journal: JournalOption) -> None:
    """Import exported iterations into a journal.

    The journal must not be in use. If a line is wrong, nothing is imported.

    sustainml import problems.jsonl --journal copy.db
    """
    from sustainml_orchestrator.contract.module_graph import message_types, read_pipeline
    from sustainml_orchestrator.contract.payloads import Payloads
    from sustainml_orchestrator.storage.export import import_lines

    upgrade = Payloads(message_types(read_pipeline(""))).upgrade
    with _reported(file):
        if str(file) == "-":
            count = import_lines(journal, as_utf8(sys.stdin), upgrade)
        else:
            with file.open(encoding="utf-8") as source:
                count = import_lines(journal, source, upgrade)
    out.say(f"{count} iterations imported into {journal}")


journal_app = typer.Typer(
    no_args_is_help=True, help="Check, compact, back up or restore the journal."
)


@journal_app.command()
def check(journal: JournalOption, as_json: AsJson = False) -> None:
    """Check the whole journal for damage.

    sustainml journal check
    """
    from sustainml_orchestrator.storage.maintenance import check as check_journal

    with _reported():
        report = check_journal(journal)
    if as_json:
        print_json({"journal": str(journal), **report._asdict()})
        raise typer.Exit(EXIT_FAILED if report.findings else 0)
    out.say(
        f"{journal}: {report.problems} problems, {report.iterations} iterations, "
        f"{report.outputs} outputs, {report.size / 2**20:.1f} MiB"
    )
    if report.missing:
        err.say(("missing: ", "yellow"), report.missing)
    for finding in report.findings:
        err.say(("damaged: ", "red"), str(finding))
    if report.findings:
        err.say("Start the orchestrator with it: it recovers what can be read.")
        raise typer.Exit(EXIT_FAILED)


@journal_app.command()
def compact(journal: JournalOption) -> None:
    """Free the space of deleted problems.

    The journal must not be in use.

    sustainml journal compact --journal copy.db
    """
    from sustainml_orchestrator.storage.maintenance import compact as compact_journal

    with _reported():
        before, after = compact_journal(journal)
    out.say(f"{journal}: {before / 2**20:.1f} MiB before, {after / 2**20:.1f} MiB after")


@journal_app.command("backup")
def backup_command(
    file: Annotated[Path, typer.Argument(help="The file; - is standard output.")],
    journal: JournalOption,
) -> None:
    """Copy the journal as of one moment to a file; also while the framework runs.

    sustainml journal backup monday.db
    """
    from sustainml_orchestrator.storage.backup import back_up

    to_output = str(file) == "-"
    with _reported():
        back_up(journal, Path("/dev/stdout") if to_output else file)
    if not to_output:
        out.say(f"{journal} was copied to {file}")


@journal_app.command("restore")
def restore_command(file: SourceArgument, journal: JournalOption) -> None:
    """Put a backup in the place of the journal; not while it is in use. The old one is kept aside.

    sustainml journal restore monday.db --journal copy.db
    """
    from sustainml_orchestrator.contract.module_graph import message_types, read_pipeline
    from sustainml_orchestrator.contract.payloads import Payloads
    from sustainml_orchestrator.storage.backup import restore

    with _reported(), readable(file) as source:
        upgrade = Payloads(message_types(read_pipeline(""))).upgrade
        aside = restore(journal, source, upgrade)
    shown = "standard input" if str(file) == "-" else file
    out.say(f"{shown} was restored as {journal}" + (f"; the old one is {aside}" if aside else ""))
