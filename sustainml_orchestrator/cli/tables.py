"""Tables and progress bars of tasks and nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from sustainml_orchestrator.cli.console import Table, line, out
from sustainml_orchestrator.cli.context import figure
from sustainml_orchestrator.cli.figures import UNKNOWN, age
from sustainml_orchestrator.core.ids import NodeStatus, TaskStatus
from sustainml_orchestrator.core.states import ACTIVE_NODES

_COLOURS = {
    TaskStatus.SUCCEEDED: "green",
    TaskStatus.ERROR: "red",
    TaskStatus.RUNNING: "blue",
    TaskStatus.WAITING: "yellow",
}
#: The outcome reason that adds nothing to the status.
_ALL_WELL = "every module delivered"
_NODE_COLOURS = {
    NodeStatus.IDLE: "green",
    NodeStatus.RUNNING: "blue",
    NodeStatus.INITIALIZING: "yellow",
}


def name_of(task: Any) -> str:
    """A task as people write it."""
    return f"{task.task_id.problem_id}/{task.task_id.iteration_id}"


def status_of(summary: Any) -> tuple[str, str]:
    """Its status with the progress, and a colour."""
    status = TaskStatus(summary.task_status)
    share = f" {summary.progress:.0%}" if status is TaskStatus.RUNNING else ""
    return status.name + share, _COLOURS.get(status, "")


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _model(name: str) -> Text:
    """A model's name for a column; a long one has its publisher on a line of its own."""
    publisher, slash, model = name.partition("/")
    if len(name) <= 18 or not slash:
        return line(name)
    return Text("\n").join([line(publisher + slash), line(model)])


def _seconds(summary: Any) -> float:
    """From admission to the end, in s; NaN while it is not over."""
    begin, end = summary.started, summary.finished
    if not (begin.sec and end.sec):
        return float("nan")
    return float(end.sec - begin.sec + (end.nanosec - begin.nanosec) * 1e-9)


def positive(value: float) -> str:
    """A figure for people of which 0 means unknown."""
    return figure(value if value > 0 else float("nan"))


def emitted(carbon: float, energy: float) -> str:
    """A carbon footprint for people: without energy, 0 means unknown."""
    return figure(carbon if carbon or energy > 0 else float("nan"))


def result_table(tasks: Iterable[Any]) -> Table:
    """One line per task, with all figures of its result."""
    table = Table(
        ("task", "problem", "model", "hardware"),
        ("latency\n(s)", "power\n(W)", "energy\n(Wh)", "carbon\n(kgCO2e)", "taken\n(s)"),
    )
    for task in tasks:
        item = task.summary
        table.add(
            name_of(item), _short(item.problem_short_description), _model(item.model),
            item.hw_description, positive(task.hw_resource.latency),
            positive(task.hw_resource.power_consumption),
            positive(item.energy_consumption),
            emitted(item.carbon_footprint, item.energy_consumption), figure(_seconds(item)),
        )  # fmt: skip
    return table


def node_table(nodes: Iterable[Any]) -> Table:
    """One line per node, one more for each of its processes."""
    resets = "auto\nresets"
    table = Table(
        ("node", "status", "tasks", resets, "restarts", "last loss", "processes", "remark")
    )
    for node in nodes:
        status = NodeStatus(node.node_status)
        shown = line((status.name, _NODE_COLOURS.get(status, "red")))
        if not node.desired_status:
            shown.append("\n(stopped on request)")
        table.add(
            node.node_name, shown,
            str(node.active_tasks), str(node.resets), str(node.restarts), _ago(node.last_loss),
            Text("\n").join([_process(each, status) for each in node.instances] or [line(UNKNOWN)]),
            node.error_description,
        )  # fmt: skip
    return table


def _process(instance: Any, of_node: NodeStatus) -> Text:
    """A process: its name, age and tasks, or when it was lost.

    Its status is shown only if it is neither that of the node nor IDLE or RUNNING.
    """
    name, status = instance.instance.rpartition("/")[2], NodeStatus(instance.node_status)
    if not instance.responsive:
        return line(f"{name}: lost {age(instance.last_seen)} ago")
    parts = [age(instance.first_seen), f"{instance.finished_tasks} done"]
    if instance.active_tasks:
        parts.append(f"{instance.active_tasks} now")
    if status is of_node or status in ACTIVE_NODES:
        return line(f"{name}: {', '.join(parts)}")
    return line(
        f"{name}: ", (status.name, _NODE_COLOURS.get(status, "red")), f", {', '.join(parts)}"
    )


def _ago(stamp: Any) -> str:
    text = age(stamp)
    return text if text == UNKNOWN else f"{text} ago"


def running_step(summary: Any) -> str:
    """The modules that work on a task, or its status."""
    status = TaskStatus(summary.task_status)
    if status is TaskStatus.WAITING:
        return "waiting"
    if status is not TaskStatus.RUNNING:
        return status.name.lower()
    busy = [m.node_name for m in summary.modules if m.task_status == TaskStatus.RUNNING]
    return ", ".join(busy) or "waiting for the next module"


class Bars:
    """One progress bar per task; without a terminal, one line for each change."""

    def __init__(self) -> None:
        self._rows: dict[str, Any] = {}
        self._said: dict[str, str] = {}
        self._live = out.is_terminal
        self._progress = Progress(
            TextColumn("{task.fields[name]:>7}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=out,
        )

    def __enter__(self) -> Bars:
        if self._live:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._progress.stop()

    def show(self, summary: Any) -> None:
        """Show the latest summary of a task."""
        name, step = name_of(summary), running_step(summary)
        if not self._live:
            if self._said.get(name) != step:
                self._said[name] = step
                out.say(f"{name:>7} {summary.progress:>4.0%} {step}")
            return
        if name not in self._rows:
            self._rows[name] = self._progress.add_task("", total=1.0, name=name)
        self._progress.update(self._rows[name], completed=float(summary.progress), description=step)


def print_results(tasks: Sequence[Any]) -> None:
    """Print a table of results, why some failed or an optimisation ended, and what was remarked."""
    from sustainml_orchestrator.client.remarks import remarks

    out.print(result_table(tasks))
    for task in tasks:
        item = task.summary
        good = item.task_status == TaskStatus.SUCCEEDED
        if not good or not (item.next_task.problem_id or item.outcome_reason == _ALL_WELL):
            name = f"task {name_of(item)}", "green" if good else "red"
            out.say(name, f": {item.outcome_reason}")
        if not item.next_task.problem_id:  # of a search for less carbon only the last
            for text in remarks(task):
                out.say(f"  {name_of(item)} ", text)
