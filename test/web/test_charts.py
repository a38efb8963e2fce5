"""Charts and figures, made in the browser from data of the test."""

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


def test_labels_of_a_chart_are_within_it_and_cover_none_another(tab: Tab) -> None:
    tab.open("/", "Overview")
    find = """async () => {
        const [{ chart }, { grams }] = await Promise.all([
            import("/static/charts.js"), import("/static/format.js")]);
        const figures = [[7.3e-9, 0.531], [2.77e-8, 0.531], [1.4e-6, 0.53]];
        const points = figures.map(([x, y], i) => ({ x, y, label: `#${i}`, best: !i }));
        const made = chart({ points, xLabel: "carbon", yLabel: "quality", formatX: grams,
            formatY: String });
        made.style.width = "400px";
        document.body.append(made);
        const box = (each) => {
            const { left, right, top, bottom } = each.getBoundingClientRect();
            return { text: each.textContent, left, right, top, bottom };
        };
        return [box(made), ...[...made.querySelectorAll("text, circle")].map(box)];
    }"""
    edge, *boxes = tab.page.evaluate(find)
    assert {"#0 ★", "#1", "#2", "1.5 mg CO₂e"} <= {each["text"] for each in boxes}
    for each in boxes:
        assert each["left"] >= edge["left"] and each["right"] <= edge["right"], each
    texts = [each for each in boxes if ":" not in each["text"]]  # points have a title
    for i, one in enumerate(texts):
        for other in texts[:i]:
            assert not _overlap(one, other), (one, other)


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    beside = one["right"] <= other["left"] or other["right"] <= one["left"]
    return not beside and one["top"] < other["bottom"] - 2 and other["top"] < one["bottom"] - 2


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


def test_long_names_take_a_few_lines(tab: Tab) -> None:
    named = {"model": "m" * 3000, "hw_description": "long name " * 300, "carbon_footprint": 1.0}
    _drawn(tab, [named])
    row = tab.page.get_by_role("region", name="Iterations").locator("tbody tr")
    assert row.bounding_box()["height"] < 120


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


def test_figures_and_names_are_written_for_people(tab: Tab) -> None:
    tab.open("/", "Overview")
    find = """async () => {
        const { carbon, duration, energy, isUnknown, label, latency, moment, title } =
            await import("/static/format.js");
        const yesterday = Date.now() / 1000 - 86400;
        return {
            unknown: [energy(0), latency(0), carbon(0, 0), carbon(null), latency(-1)],
            known: [carbon(0, 5), energy(0.002), duration(0.0001)],
            names: [title("constructor"), label("toString"), label("__proto__"), label("latency")],
            zeros: ["target_latency", "carbon_footprint", "devices", "constructor"].map(
                (name) => isUnknown(name, 0, {})),
            today: moment(Date.now() / 1000), before: moment(yesterday),
        };
    }"""
    found = tab.page.evaluate(find)
    assert found["unknown"] == ["–"] * 5
    assert found["known"] == ["0 g CO₂e", "2 mWh", "< 1 ms"]
    assert found["names"] == ["Constructor", "ToString", "Proto", "Latency (s)"]
    assert found["zeros"] == [True, True, False, False]
    assert len(found["today"]) == len("08:13:01.796") and " 20" in found["before"]
