"""The charts, drawn in the browser from data of the test."""

from __future__ import annotations

from typing import Any

import pytest
from support.browser import Tab


def test_each_try_of_a_step_is_a_bar(tab: Tab) -> None:
    """The tries of the history, and the one under way."""
    tab.open("/", "Overview")
    step = {"task_status": 2, "tries": 3, "started": 1, "finished": None, "has_output": False,
            "error_code": 0, "instance": "/m", "error_description": ""}  # fmt: skip
    events = [
        {"event": name, "stamp": at, "instance": "/m", "try_number": number, "detail": "it fell"}
        for name, at, number in (
            ("step.started", 1, 1), ("step.retried", 3, 2), ("step.started", 4, 2),
            ("step.undelivered", 5, 2), ("step.started", 7, 3),
        )
    ]  # fmt: skip
    find = """async ([step, events, isOpen]) => {
        const { bars } = await import("/static/gantt.js");
        return bars(step, { ready: 0, end: 9, events, isOpen })
            .map((bar) => [bar.kind, bar.from, bar.to, bar.state ?? ""]);
    }"""
    assert tab.page.evaluate(find, [step, events, True]) == [
        ["wait", 0, 1, ""], ["run", 1, 3, "error"], ["wait", 3, 4, ""], ["run", 4, 5, "returned"],
        ["wait", 5, 7, ""], ["run", 7, 9, "running"],
    ]  # fmt: skip
    events += [{**events[0], "event": "step.finished", "stamp": 8}]
    over = {**step, "task_status": 3, "finished": 8, "has_output": True}
    assert tab.page.evaluate(find, [over, events, False])[-1] == ["run", 7, 8, "succeeded"]
    failed = {**step, "task_status": 1, "tries": 2, "finished": 6, "error_code": 4}
    assert tab.page.evaluate(find, [failed, events[:2], False]) == [
        ["wait", 0, 1, ""], ["run", 1, 3, "error"], ["wait", 3, 6, ""],
    ]  # fmt: skip
    assert tab.page.evaluate(find, [over, [], False]) == [
        ["wait", 0, 1, ""], ["run", 1, 8, "succeeded"],
    ]  # fmt: skip


def test_labels_of_a_chart_are_within_it(tab: Tab) -> None:
    tab.open("/", "Overview")
    find = """async () => {
        const [{ chart }, { grams }] = await Promise.all([
            import("/static/charts.js"), import("/static/format.js")]);
        const points = [1.19e-6, 2.21e-7, 2.68e-7].map((y, i) => ({ x: i + 1, y, label: `#${i}` }));
        const axis = { xLabel: "iteration", yLabel: "Carbon", formatY: grams, joined: true };
        const made = chart({ points, ...axis, whole: true });
        document.body.append(made);
        const edge = made.getBoundingClientRect();
        return [...made.querySelectorAll("text")].map((each) => {
            const text = each.getBoundingClientRect();
            return [each.textContent, text.left >= edge.left && text.right <= edge.right];
        });
    }"""
    found = dict(tab.page.evaluate(find))
    assert found["500 µg CO₂e"] and all(found.values()), found


@pytest.mark.parametrize(
    ("title", "figure", "zero"),
    [
        ("Carbon", "carbon_footprint", "0 g CO₂e"),
        ("Energy", "energy_consumption", "0 Wh"),
        ("Latency", "latency", "0 s"),
    ],
)
def test_charts_leave_out_what_is_not_known(tab: Tab, title: str, figure: str, zero: str) -> None:
    """The first iteration has 0 for unknown, the second no figures; the axis begins at 0."""
    tab.open("/", "Overview")
    figures = {"carbon_footprint": 0.02, "energy_consumption": 9.0, "latency": 0.5, "quality": 0.5}
    known = [{**figures, figure: figures[figure] * factor} for factor in (1.0, 0.01)]
    unknown = dict.fromkeys(figures, 0.0)
    drawn = _drawn(tab, [unknown, None, *known])
    by_iteration = drawn[f"{title} by iteration"]
    assert by_iteration["points"] == 2
    assert "#1" not in by_iteration["label"] and "#2" not in by_iteration["label"]
    assert zero in by_iteration["texts"]
    assert drawn["Quality against carbon"]["points"] == 2
    assert not any("–" in text for each in drawn.values() for text in each["texts"])


def _drawn(tab: Tab, figures: list[Any]) -> dict[str, Any]:
    """The charts of the page of a problem with such iterations, by their titles."""
    iterations = [
        {
            "figures": each,
            "input": {"problem_definition": "p"},
            "summary": {"id": f"1/{n}", "task_id": {"problem_id": 1, "iteration_id": n}},
        }
        for n, each in enumerate(figures, 1)
    ]
    answer = {"iterations": iterations, "total": len(iterations)}
    tab.page.route("**/page/problems/1", lambda route: route.fulfill(json=answer))
    tab.open("/problems/1", "by iteration")
    found = tab.page.evaluate("""() => [...document.querySelectorAll("section:has(svg)")].map(
        (each) => [each.querySelector("h2").textContent, {
            label: each.querySelector("svg").getAttribute("aria-label"),
            points: each.querySelectorAll(".point").length,
            texts: [...each.querySelectorAll("svg text")].map((text) => text.textContent)}])""")
    return dict(found)
