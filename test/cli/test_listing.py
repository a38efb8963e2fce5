"""Figures, ages, filters and CSV of the commands that show tasks."""

from __future__ import annotations

import csv
import io
import math
import re
import time

import pytest
import typer
from builtin_interfaces.msg import Time
from rich.console import Console
from sustainml_msgs.msg import NodeState, Task, TaskId, TaskSummary

from sustainml_orchestrator.cli import description, figures, listing, tables
from sustainml_orchestrator.cli.console import Table, out
from sustainml_orchestrator.cli.context import check_form
from sustainml_orchestrator.cli.selection import Filter
from sustainml_orchestrator.core.ids import NodeStatus, TaskStatus
from sustainml_orchestrator.core.text import duration


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0123, "12.3 mWh"), (1234.0, "1.23 kWh"), (999.9, "1 kWh"), (4e-7, "400 nWh"),
        (15.0, "15 Wh"), (0.0, "0 Wh"), (math.nan, "–"), (math.inf, "–"), (-0.5, "-500 mWh"),
        (1e-15, "1e-06 nWh"), (3e15, "3e+06 GWh"),
    ],
)  # fmt: skip
def test_figures_have_prefixes(value: float, shown: str) -> None:
    assert figures.si(value, "Wh") == shown


def test_zero_is_a_dash_where_it_means_unknown() -> None:
    assert figures.si(0.0, "s", zero_is_unknown=True) == "–"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0.0 s"), (9.96, "10.0 s"), (59.4, "59 s"), (60.0, "1 min"), (75.9, "1 min 15 s"),
        (3600.0, "1 h"), (3725.0, "1 h 2 min"), (90_000.0, "1 d 1 h"), (1e9, "11574 d 1 h"),
    ],
)  # fmt: skip
def test_durations_are_readable(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_ages() -> None:
    assert figures.age(Time()) == "–"
    assert figures.age(Time(sec=int(time.time()) - 3600)) == "1 h"
    assert figures.age(Time(sec=int(time.time()) + 60)) == "0.0 s", "clocks may be apart"


def test_since() -> None:
    now = time.time()
    assert figures.since("2h") == pytest.approx(now - 7200, abs=5)
    assert figures.since("1.5 min") == pytest.approx(now - 90, abs=5)
    assert figures.since("2026-01-31T08:00:00+00:00") == 1769846400.0
    for wrong in ("yesterday", "", "2 fortnights", "-3h"):
        with pytest.raises(typer.BadParameter, match="write an age"):
            figures.since(wrong)


def summary(**fields: object) -> TaskSummary:
    defaults = {
        "task_id": TaskId(problem_id=3, iteration_id=1), "created": Time(sec=1000),
        "problem_short_description": "Cats and dogs", "model": "google/vit",
        "hw_description": "Raspberry Pi 5", "quality": math.nan, "carbon_footprint": 0.5,
    }  # fmt: skip
    return TaskSummary(**{**defaults, **fields})


def test_filters() -> None:
    task = summary()
    assert Filter().matches(task) and Filter(text="CATS").matches(task)
    assert Filter("dogs", "vit", "raspberry", 999.0).matches(task)
    assert not Filter(text="birds").matches(task)
    assert not Filter(model="bert").matches(task)
    assert not Filter(hardware="coral").matches(task)
    assert not Filter(since=1001.0).matches(task)


def test_a_figure_that_no_module_gave_is_unknown_everywhere() -> None:
    empty = summary(carbon_footprint=0.0, quality=0.5, priority=7)  # energy and latency are 0, too
    target = io.StringIO()
    listing.write_csv([empty], target)
    (row,) = csv.DictReader(io.StringIO(target.getvalue()))
    assert (row["latency_s"], row["energy_Wh"]) == ("", "")
    with out.capture() as capture:
        out.print(listing.shown([empty], 1, wide=True))
        out.print(tables.result_table([Task(summary=empty)]))
    for text in description.figures(Task(summary=empty)):
        assert not re.search(r"\b0 [A-Za-z]", text), text
    rows = re.findall(r" 3/1 .*", capture.get())
    assert len(rows) == 2 and not any(" 0 " in row for row in rows), rows
    offset = summary(energy_consumption=2.0, carbon_footprint=0.0)  # emissions were offset
    assert tables.emitted(offset.carbon_footprint, offset.energy_consumption) == "0"


def test_csv_can_be_read_and_holds_no_formula() -> None:
    target = io.StringIO()
    hostile = summary(problem_short_description='=HYPERLINK("x"),\n"y"\x1b[2J')
    listing.write_csv([summary(), hostile], target)
    first, second = csv.DictReader(io.StringIO(target.getvalue()))
    assert first["task"] == "3/1" and first["quality"] == "" and first["carbon_kgCO2e"] == "0.5"
    assert first["created"] == "1970-01-01T00:16:40+00:00" and first["started"] == ""
    assert second["problem"].startswith("'=HYPERLINK") and "\x1b" not in target.getvalue()


def test_a_narrow_terminal_shows_every_cell() -> None:
    table = Table(("task", "status", "problem"), ("carbon\n(kgCO2e)",), title="1 of 1 tasks")
    table.add("1/1", "SUCCEEDED", "tell cats from dogs in photos", "2.21e-09")
    shown = {width: io.StringIO() for width in (80, 20, 8)}
    for width, file in shown.items():
        Console(file=file, width=width).print(table)
    assert "1/1   SUCCEEDED  tell cats from dogs in photos  2.21e-09" in " ".join(
        shown[80].getvalue().split("\n")
    )
    assert "carbon (kgCO2e): \n2.21e-09" in shown[20].getvalue()
    for file in shown.values():
        words = set(file.getvalue().split())
        assert words >= {"1/1", "dogs", "2.21e-09", "photos"}, file.getvalue()


def test_two_forms_of_output_exclude_each_other() -> None:
    check_form(json=True, csv=False, watch=False)
    with pytest.raises(typer.BadParameter, match="--json and --watch exclude each other"):
        check_form(json=True, csv=False, watch=True)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_word_of_a_state_is_broken(width: int) -> None:
    tasks = [summary(task_status=int(status), progress=0.5) for status in TaskStatus]
    nodes = [
        NodeState(
            node_name="ml_model_metadata", node_status=int(status), error_description="x " * 99
        )
        for status in NodeStatus
    ]
    for table, states in (
        (listing.shown(tasks, 9, wide=False), TaskStatus),
        (tables.node_table(nodes), NodeStatus),
    ):
        file = io.StringIO()
        Console(file=file, width=width).print(table)
        assert all(status.name in file.getvalue() for status in states), file.getvalue()
