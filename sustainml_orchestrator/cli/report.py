"""`sustainml report`: one archive for a colleague, and a look into one."""

from __future__ import annotations

import os
import stat
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from sustainml_orchestrator.cli.console import divert_foreign_output, err, out, quoted
from sustainml_orchestrator.cli.context import (
    AsJson,
    Failure,
    options,
    print_json,
    readable,
    task_id,
    written,
)

_PRIVATE = 0o600


def report(
    task: Annotated[
        str | None,
        typer.Argument(help="Of this task alone; by default of the open, failed and latest ones."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The archive; - is standard output.")
    ] = None,
    opened: Annotated[
        Path | None,
        typer.Option("--open", help="Show what such an archive says; - is standard input."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write all that a colleague needs to find a fault to one archive, without credentials.

    It holds the findings of doctor, versions, nodes, parameters, history, tasks, the logs of
    `sustainml up`, and the recording of the last events. It is made as far as possible when no
    orchestrator runs, and says what is missing. Texts of problems are in it.

    sustainml report 1/1 --output report.tar.gz

    sustainml report --open report.tar.gz
    """
    if opened is not None:
        if task is not None or output is not None:
            raise typer.BadParameter("--open shows an archive: name neither a task nor --output")
        with readable(opened) as file:
            _open(file, as_json)
    else:
        _write(task, output, as_json)


def _open(file: Path, as_json: bool) -> None:
    from sustainml_orchestrator.cli.reporting.archive import ArchiveError, unpack
    from sustainml_orchestrator.cli.reporting.summary import Report

    try:
        with file.open("rb") as source:
            found = Report(unpack(source))
    except ArchiveError as error:
        raise Failure(
            f"{file} cannot be read as a report: {error}; name one that `sustainml report` wrote",
            name="INVALID_REQUEST",
            error_code=2,
        ) from error
    if not found.about:
        text = f"{file} is no report: it has no report.json; name one of `sustainml report`"
        raise Failure(text, name="INVALID_REQUEST", error_code=2)
    print_json(found.as_data()) if as_json else found.show()


def _write(task: str | None, output: Path | None, as_json: bool) -> None:
    from sustainml_orchestrator.cli.reporting.archive import pack
    from sustainml_orchestrator.cli.reporting.collection import Collection
    from sustainml_orchestrator.client import ClientError

    wanted = task_id(task) if task else None
    divert_foreign_output()
    collection = Collection()
    try:
        collection.collect(wanted)
    except ClientError as error:
        raise Failure(error.message, name=error.code.name, error_code=int(error.code)) from error
    name = options.namespace.strip("/").replace("/", "__")
    when = datetime.fromtimestamp(collection.stamp)
    path = output or Path(f"sustainml-report-{name}-{when:%Y%m%d-%H%M%S}.tar.gz")
    to_output = str(path) == "-"
    data = pack(collection.entries, collection.stamp)
    with written(Path("/dev/stdout") if to_output else path) as stream:
        if not to_output and stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            os.fchmod(stream.fileno(), _PRIVATE)
        stream.buffer.write(data)
    for text in collection.missing:
        err.say(("missing: ", "yellow"), text)
    if to_output:
        return
    if as_json:
        files = {key: len(content) for key, content in collection.entries.items()}
        print_json({"file": str(path), "bytes": len(data), "files": files,
                    "missing": collection.missing})  # fmt: skip
        return
    out.say(f"{path}: {len(data) / 1024:.0f} KiB, {len(collection.entries)} files; "
            f"read it with: sustainml report --open {quoted(path)}")  # fmt: skip
