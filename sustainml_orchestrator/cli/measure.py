"""`sustainml measure`: run a model of one's own on this machine, for the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sustainml_orchestrator.cli.console import Table, err, out, quoted
from sustainml_orchestrator.cli.context import AsJson, Failure, print_json, written

if TYPE_CHECKING:
    from sustainml_orchestrator.measurement.run import Measured

_PERCENTILES = (50, 90, 99)


def _shapes(words: list[str]) -> dict[str, list[int]]:
    """Inputs and their sizes as typed: ``image=1x3x224x224``."""
    shapes = {}
    for word in words:
        name, _, sizes = word.rpartition("=")
        try:
            shapes[name] = [int(size) for size in sizes.split("x")]
        except ValueError:
            name = ""
        if not name or min(shapes[name]) < 1:
            raise typer.BadParameter(f"'{word}' is no shape; write --shape input=1x3x224x224")
    return shapes


def _tasks(words: list[str]) -> dict[str, tuple[str, float]]:
    """What the model is for, as typed: ``image-classification:imagenet-1k=76.1``."""
    tasks = {}
    for word in words:
        task, _, rest = word.partition(":")
        benchmark, _, number = rest.partition("=")
        try:
            tasks[task] = (benchmark, float(number))
        except ValueError:
            text = f"'{word}' is no task; write --task image-classification:imagenet-1k=76.1"
            raise typer.BadParameter(text) from None
    return tasks


ModelArgument = Annotated[Path, typer.Argument(help="An ONNX file.")]
DeviceOption = Annotated[str, typer.Option(help="What runs it; cpu is what there is.")]
RunsOption = Annotated[int, typer.Option(min=1, max=1_000_000, help="Timed runs.")]
ThreadsOption = Annotated[
    int, typer.Option(min=0, max=1024, help="Threads of the runtime; 0 = one a core.")
]
ShapeOption = Annotated[
    list[str] | None, typer.Option(help="Sizes of an input with open dimensions.")
]
NameOption = Annotated[str, typer.Option(help="Name in the catalogue; by default the file's.")]
HardwareOption = Annotated[
    str, typer.Option(help="Name of this machine in the catalogue; by default its processor's.")
]
TaskOption = Annotated[
    list[str] | None, typer.Option(help="What it solves, and how well: task:benchmark=figure.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="File for `sustainml catalogue add`.")
]


def measure(
    model: ModelArgument,
    device: DeviceOption = "cpu",
    runs: RunsOption = 100,
    threads: ThreadsOption = 0,
    shape: ShapeOption = None,
    name: NameOption = "",
    hardware: HardwareOption = "",
    task: TaskOption = None,
    licence: Annotated[str, typer.Option(help="Licence of the model.")] = "unknown",
    output: OutputOption = None,
    limit: Annotated[float, typer.Option(min=1, help="Seconds that it may take.")] = 600.0,
    as_json: AsJson = False,
) -> None:
    """Measure a model on this machine with onnxruntime.

    Gives percentiles of the latency, the peak memory, and the energy of one inference: by the
    processor's counters (RAPL) where they can be read, else codecarbon's estimate, which is said.
    In the catalogue the measurement outranks estimates.

    sustainml measure detector.onnx --runs 200 -o detector.yaml

    sustainml measure net.onnx --shape x=1x3x224x224 --task image-classification:imagenet-1k=71.9
    """
    if device != "cpu":
        raise typer.BadParameter(f"device {device} cannot be measured here; cpu is what there is")
    if not model.is_file():
        raise Failure(f"{model} is no file; name an ONNX file", name="NOT_FOUND", error_code=3)
    shapes, tasks = _shapes(shape or []), _tasks(task or [])
    measured = _run(model, shapes, runs, threads, limit)
    entries = _entries(name or model.stem, hardware, measured, tasks, licence)
    if output is not None:
        _write(output, model, entries)
    if as_json:
        print_json(entries)
    else:
        _show(measured, output)


def _run(
    model: Path, shapes: dict[str, list[int]], runs: int, threads: int, limit: float
) -> Measured:
    from rich.progress import Progress

    from sustainml_orchestrator.measurement.onnx_file import ModelFileError
    from sustainml_orchestrator.measurement.run import measure as run

    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        job = bar.add_task("measuring", total=1.0)
        try:
            return run(
                model, shapes, runs=runs, threads=threads, limit_s=limit,
                progress=lambda share: bar.update(job, completed=share),
            )  # fmt: skip
        except ModelFileError as error:
            raise Failure(str(error), name="INVALID_REQUEST", error_code=2) from error


def _entries(
    name: str, hardware: str, measured: Measured, tasks: dict[str, tuple[str, float]], licence: str
) -> dict[str, Any]:
    """The overlay; this machine is described unless the catalogue knows the hardware named."""
    from sustainml_orchestrator.measurement import entries, machine
    from sustainml_orchestrator.reference_modules import catalog
    from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue

    known = DeviceCatalogue(catalog.load("hardware")).find(hardware) if hardware else ()
    device = known[0].name if len(known) == 1 else hardware or machine.processor()
    overlay = {"models": [entries.model_entry(name, measured, tasks, licence)]}
    if len(known) != 1:
        overlay["devices"] = [dict(machine.describe(device))]
    overlay["measurements"] = [entries.measurement_entry(name, device, measured)]
    return overlay


def _write(path: Path, model: Path, entries: dict[str, Any]) -> None:
    import yaml

    with written(path, model) as stream:
        yaml.safe_dump(entries, stream, sort_keys=False, allow_unicode=True)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"


def _show(measured: Measured, output: Path | None) -> None:
    out.print(_table(measured))
    out.say(f"energy: {measured.energy_method}")
    if output is not None:
        out.say(f"written to {output}; next: sustainml catalogue add {quoted(output)}")


def _table(measured: Measured) -> Table:
    table = Table(("figure",), ("value",))
    counts = measured.counts
    for percent in _PERCENTILES:
        table.add(f"latency, {percent} % of runs below", _ms(measured.latency_s(percent)))
    table.add("energy of one inference", f"{measured.energy_j * 1e3:.3g} mJ")
    table.add("peak memory of runtime and model", f"{measured.peak_memory_bytes / 2**20:.3g} MiB")
    table.add("weights", f"{counts.parameters:,}, {counts.weights_bytes / 2**20:.3g} MiB")
    table.add("activations alive at once", f"{counts.activations_bytes / 2**20:.3g} MiB")
    table.add("work of one inference", f"{counts.flops / 1e9:.3g} GFLOP")
    table.add("runtime", measured.runtime)
    return table
