"""The arithmetic of the benchmarks, their files, and the comparison of two."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import compare, figures, results
from bench.figure import Figure, Run
from bench.table import table


def figure(name: str = "f", better: str = "lower", goal: float | None = 1.2, *runs: Run) -> Figure:
    return Figure(name, "s", goal, better, list(runs))


def pairs(*ratios: float) -> list[Run]:
    return [Run(ratio * 10, 10.0) for ratio in ratios]


def test_the_ratio_is_the_median_of_the_pairs_not_the_ratio_of_the_medians() -> None:
    made = figure("f", "lower", 1.2, Run(1, 1), Run(20, 10), Run(30, 10))
    assert (made.value, made.reference, made.ratio) == (20, 10, 2)


def test_goals_count_on_ratio_or_value_in_either_direction() -> None:
    runs = pairs(1.0, 1.1, 1.3)
    assert figure("f", "lower", 1.1, *runs).met is True
    assert figure("f", "lower", 1.0, *runs).met is False
    assert figure("f", "higher", 1.1, *runs).met is True
    assert figure("f", "higher", 1.2, *runs).met is False
    assert figure("f", "lower", None, *runs).met is None
    assert Figure("f", "s", 11.0, "lower", runs, goal_on="value").met is True
    assert Figure("f", "s", 10.9, "lower", runs, goal_on="value").met is False
    absolute = Figure("f", "KiB", 1.5, "lower", [Run(1.6)], goal_on="value")
    assert (absolute.reference, absolute.ratio, absolute.met) == (None, None, False)


def test_the_spread_is_between_the_quartiles_of_what_is_judged() -> None:
    assert figure("f", "lower", 1.2, *pairs(1, 2, 3, 4, 50)).spread == pytest.approx(2)
    assert Figure("f", "s", 1, "lower", pairs(1, 2, 3, 4, 50), "value").spread == pytest.approx(20)
    assert figure("f", "lower", 1.2, Run(5, 1)).spread == 0


def test_a_result_can_be_read_again(tmp_path: Path) -> None:
    made = [
        figure("a", "lower", 1.2, *pairs(1, 2)),
        Figure("b", "KiB", 1.5, "lower", [Run(1.0), Run(2.0)], goal_on="value"),
    ]
    path = results.write(made, tmp_path / "new")
    assert results.read(path) == {f.name: f for f in made}
    data = json.loads(path.read_text())
    assert set(data) == {"machine", "versions", "figures"}
    assert data["machine"]["cores"] >= 1
    wanted = {"name", "unit", "value", "reference", "ratio", "goal", "met", "runs"}
    assert wanted <= set(data["figures"][0])
    assert data["figures"][1]["met"] is True


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"figures": [{"name": "x"}]}'])
def test_what_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(results.ResultError, match=r"x\.json is no result"):
        results.read(path)


def test_a_change_counts_beyond_the_spread_alone() -> None:
    before = figure("f", "lower", None, *pairs(1.0, 1.1, 1.2))
    assert compare.verdict(before, figure("f", "lower", None, *pairs(1.1, 1.15, 1.2))) == "same"
    assert compare.verdict(before, figure("f", "lower", None, *pairs(1.5, 1.5, 1.5))) == "worse"
    assert compare.verdict(before, figure("f", "lower", None, *pairs(0.5, 0.5, 0.5))) == "better"
    high = figure("f", "higher", None, *pairs(1.0, 1.1, 1.2))
    assert compare.verdict(high, figure("f", "higher", None, *pairs(1.5, 1.5, 1.5))) == "better"


def test_tables_show_every_figure() -> None:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    old = {"a": figure("a", "lower", 1.2, *pairs(2, 2)), "b": figure("b", "lower", 1, *pairs(1))}
    new = {"a": figure("a", "lower", 1.2, *pairs(1, 1)), "c": figure("c", "higher", 1, *pairs(1))}
    console.print(table(old.values()))
    console.print(compare.compare(old, new))
    text = console.export_text()
    for words in ("≤ 1.2", "no", "better", "-50.0%", "gone", "new"):
        assert words in text


def test_every_benchmark_has_a_measure() -> None:
    for name in figures.NAMES:
        assert callable(figures.load(name))
