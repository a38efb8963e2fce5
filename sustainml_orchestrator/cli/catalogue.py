"""`sustainml catalogue …`: models, devices and measurements of one's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from sustainml_orchestrator.cli.console import Table, out
from sustainml_orchestrator.cli.context import AsJson, Failure, print_json

catalogue_app = typer.Typer(no_args_is_help=True, help="Models, devices and measurements of yours.")


@catalogue_app.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="YAML, as `sustainml measure -o` writes it.")],
) -> None:
    """Check a file and add it over the catalogue; the modules read it when they start.

    sustainml catalogue add detector.yaml
    """
    from sustainml_orchestrator.reference_modules import overlays

    entries = _checked(file)
    target = overlays.folder() / f"{file.stem}.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        shutil.copyfile(file, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    counted = ", ".join(f"{len(each)} {kind}" for kind, each in entries.items())
    out.say(f"{counted} added ({target}); running modules read it after: sustainml node reset")


@catalogue_app.command("check")
def check(file: Annotated[Path, typer.Argument(help="The file.")]) -> None:
    """Check a file without adding it.

    sustainml catalogue check detector.yaml
    """
    counted = ", ".join(f"{len(each)} {kind}" for kind, each in _checked(file).items())
    out.say(f"{file} can be added: {counted}")


@catalogue_app.command("list")
def list_files(as_json: AsJson = False) -> None:
    """List the files over the catalogue, and what each holds.

    These are the files added, and those of SUSTAINML_CATALOGUE. Those that one module has by its
    setting `catalogue` are not listed: `sustainml configure ml_model_provider` shows these.

    sustainml catalogue list
    """
    from sustainml_orchestrator.reference_modules import overlays

    rows = []
    for path in overlays.files():
        entries = _read(path)
        names = [str(e.get("name") or e.get("model")) for each in entries.values() for e in each]
        rows.append((path, list(dict.fromkeys(names))))
    if as_json:
        print_json([{"name": p.stem, "file": str(p), "entries": names} for p, names in rows])
        return
    table = Table(("name", "entries", "file"))
    for path, names in rows:
        table.add(path.stem, ", ".join(names), str(path))
    out.print(table)


@catalogue_app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="Its name in `sustainml catalogue list`.")],
) -> None:
    """Remove a file that was added.

    sustainml catalogue remove detector
    """
    from sustainml_orchestrator.reference_modules import overlays

    known = {path.stem: path for path in overlays.folder().glob("*.yaml")}
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        text = f"no catalogue file is called {name}; there are: {names}"
        raise Failure(text, name="NOT_FOUND", error_code=3)
    known[name].unlink()
    out.say(f"{name} removed; running modules forget it after: sustainml node reset")


def _read(file: Path) -> dict[str, list[dict[str, Any]]]:
    from sustainml_orchestrator.reference_modules import overlays

    try:
        return overlays.read(file)
    except overlays.OverlayError as error:
        raise Failure(str(error), name="INVALID_REQUEST", error_code=2) from error


def _checked(file: Path) -> dict[str, list[dict[str, Any]]]:
    """The entries, after a trial: the catalogues are built with the file over them."""
    from sustainml_orchestrator.reference_modules import catalog, overlays
    from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
    from sustainml_orchestrator.reference_modules.estimate.models import ModelCatalogue
    from sustainml_orchestrator.reference_modules.estimate.validation import pairs

    entries = _read(file)

    def build(kind: Callable[[Any], Any], name: str) -> Any:
        return kind(overlays.over(name, catalog.load(name), [file]))

    try:
        models, devices = build(ModelCatalogue, "models"), build(DeviceCatalogue, "hardware")
        pairs(entries.get("measurements", []), models, devices)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        text = (
            f"{file} does not fit the catalogue: {catalog.mistake(error)}; "
            "docs/reference_modules.md has the form"
        )
        raise Failure(text, name="INVALID_REQUEST", error_code=2) from error
    return entries
