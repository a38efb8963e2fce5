"""`sustainml export`, `import` and `journal …`: the orchestrator's memory as a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sustainml_orchestrator.cli.context import EXIT_FAILED, err, options, out
from sustainml_orchestrator.contract import domain
from sustainml_orchestrator.storage.location import default_path


def _usual_place() -> Path:
    """That of this namespace and domain, as `sustainml up` uses it."""
    try:
        return default_path(options.namespace, domain.current())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


JournalOption = Annotated[
    Path,
    typer.Option(
        "--journal",
        "-j",
        help="The journal; by default the one that `sustainml up` keeps.",
        show_default=False,
        default_factory=_usual_place,
    ),
]
FileArgument = Annotated[Path, typer.Argument(help="The file; - is standard input or output.")]


@contextmanager
def _told() -> Iterator[None]:
    """An error ends the program with a sentence."""
    from sustainml_orchestrator.storage.errors import JournalError

    try:
        yield
    except JournalError as error:
        err.print(f"[red]error:[/] {error}")
        raise typer.Exit(EXIT_FAILED) from error
    except (OSError, UnicodeDecodeError) as error:
        err.print(f"[red]error:[/] the file cannot be used: {error}")
        raise typer.Exit(EXIT_FAILED) from error


def export_command(file: FileArgument, journal: JournalOption) -> None:
    """Write all iterations to a file, one line of JSON each; also while the framework runs.

    sustainml export problems.jsonl
    """
    from sustainml_orchestrator.storage.export import export

    with _told():
        if str(file) == "-":
            export(journal, sys.stdout)
            return
        part = file.with_name(f"{file.name}.part")  # never half a file under the name asked for
        with part.open("w", encoding="utf-8") as target:
            count = export(journal, target)
        part.replace(file)
    out.print(f"{count} iterations written to {file}")


def import_command(file: FileArgument, journal: JournalOption) -> None:
    """Add exported iterations to a journal that is not in use; all of them or none.

    sustainml import problems.jsonl
    """
    from sustainml_orchestrator.storage.export import import_lines

    with _told():
        if str(file) == "-":
            count = import_lines(journal, sys.stdin)
        else:
            with file.open(encoding="utf-8") as source:
                count = import_lines(journal, source)
    out.print(f"{count} iterations imported into {journal}")


journal_app = typer.Typer(no_args_is_help=True, help="Look after the journal.")


@journal_app.command()
def check(journal: JournalOption) -> None:
    """Read all of it and say whether it is whole; changes nothing."""
    from sustainml_orchestrator.storage.maintenance import check as check_journal

    with _told():
        report = check_journal(journal)
    out.print(
        f"{journal}: {report.problems} problems, {report.iterations} iterations, "
        f"{report.outputs} outputs, {report.size / 2**20:.1f} MiB"
    )
    for finding in report.findings:
        err.print(f"[red]damaged:[/] {finding}")
    if report.findings:
        err.print("Start the orchestrator with it: what can be read is recovered.")
        raise typer.Exit(EXIT_FAILED)


@journal_app.command()
def compact(journal: JournalOption) -> None:
    """Give back the space of what was deleted; not while it is in use."""
    from sustainml_orchestrator.storage.maintenance import compact as compact_journal

    with _told():
        before, after = compact_journal(journal)
    out.print(f"{journal}: {before / 2**20:.1f} MiB before, {after / 2**20:.1f} MiB after")
