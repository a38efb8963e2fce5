"""What takes long: 10,000 tasks, ten open pages, a picture of each page: `make test-web`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.browser import Site, Tab
from support.up_process import sustainml
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.client import OrchestratorClient
from sustainml_orchestrator.core.ids import NodeCommand, TaskCommand

pytestmark = [
    pytest.mark.skipif(not os.environ.get("SUSTAINML_WEB_LONG"), reason="make test-web runs it"),
    pytest.mark.timeout(900),
]
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
PAGES = {
    "overview": "/", "tasks": "/tasks", "new": "/new", "iterate": "/new?base=1/1",
    "task": "/tasks/1/2", "failed": "/tasks/1/4", "problem": "/problems/1",
    "module": "/modules/ml_model_provider", "log": "/log",
}  # fmt: skip
LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}
EXAMPLES = Path(__file__).parents[2] / "config" / "examples"


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_looks_well(browser: Any, site: Site, look: str) -> None:
    """The pages as pictures, to be looked at; none is wider than its window."""
    if look == "light":
        _fill(site)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    tab = Tab(browser, site.address, **LOOKS[look])
    for name, path in PAGES.items():
        page = tab.open(path)
        page.locator("h1").wait_for()
        page.wait_for_timeout(800)
        page.screenshot(path=SCREENSHOTS / f"{name}-{look}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, look)
    tab.close()


def _fill(site: Site) -> None:
    for name in ("circuit_boards", "customer_reviews", "voice_commands"):
        sustainml(site.up, "submit", str(EXAMPLES / f"{name}.yaml"), "--watch")
    sustainml(site.up, "iterate", "1/1", "--manual", "--watch")
    sustainml(site.up, "iterate", "1/1", "-s", "geo_location_region=France", "--watch")
    wrong = "extra_data.hardware_required=no such hardware"
    sustainml(site.up, "iterate", "1/1", "-s", wrong, "--watch", code=1)


def test_ten_open_pages_cost_the_orchestrator_nothing(browser: Any, site: Site) -> None:
    process = site.up.leader("orchestrator")
    assert process is not None

    def load(seconds: float) -> float:
        """Share of a core that the orchestrator takes."""
        before = sum(process.cpu_times()[:2])
        time.sleep(seconds)
        return (sum(process.cpu_times()[:2]) - before) / seconds

    alone = load(10.0)
    tabs = [Tab(browser, site.address) for _ in range(10)]
    for tab in tabs:
        tab.open("/", "Overview")
    tabs[0].page.wait_for_timeout(1000)
    watched = load(10.0)
    print(f"share of a core: {alone:.3f} without pages, {watched:.3f} with ten")
    assert watched < alone + 0.02
    for tab in tabs:
        tab.close()


def test_ten_thousand_tasks_are_listed(browser: Any, site: Site) -> None:
    """They wait, since a module is stopped; the page finds, sorts and follows them."""
    with OrchestratorClient(site.up.namespace, timeout=30.0) as client:
        client.control_node("hw_constraints", NodeCommand.STOP)
        tasks = [
            client.start_task(UserInput(problem_short_description=f"No {n}")) for n in range(9_900)
        ]
        tab = Tab(browser, site.address)
        page = tab.open("/tasks", "Tasks")
        tab.wait("of 9,9", 60)
        began = time.monotonic()
        page.get_by_label("Search tasks").fill("No 4321")
        tab.wait_for(lambda: 0 < page.locator("tbody tr").count() < 5, "the search")
        assert "No 4321" in tab.text()
        page.get_by_label("Search tasks").fill("")
        tab.wait("of 9,9")
        page.get_by_role("button", name="Next").click()
        tab.wait("51–100 of")
        assert time.monotonic() - began < 5.0
        assert page.locator("tbody tr").count() == 50
        server = next(p for p in site.up.family() if "web" in p.cmdline())
        print(f"web server: {psutil.Process(server.pid).memory_info().rss / 2**20:.0f} MiB")
        for task in tasks:
            client.control_task(task, TaskCommand.TERMINATE)
        client.control_node("hw_constraints", NodeCommand.START)  # further tests use the system
        tab.close()
