"""axe-core on each page, in both themes, on a wide and on a narrow screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from support.browser import PAGES, Site, Tab
from support.web_server import Server

MISSING = ("/tasks/999/1", "/problems/999", "/modules/nothing", "/nothing", "/new?base=999/1")
SCREENS = {"wide": {"width": 1280, "height": 860}, "narrow": {"width": 360, "height": 740}}


@pytest.fixture(scope="module")
def alone() -> Iterator[Server]:
    """A web server whose system has no process."""
    made = Server()
    yield made
    made.end()


def _faults(browser: Any, address: str, paths: tuple[str, ...], **look: Any) -> list[Any]:
    """What axe-core finds serious, and the pages that are wider than the window."""
    tab = Tab(browser, address, bypass_csp=True, **look)
    found: list[Any] = []
    for path in paths:
        page = tab.open(path)
        page.locator("h1").wait_for()
        page.wait_for_load_state("networkidle")
        report = Axe().run(page).response
        found += [
            (path, each["id"], each["nodes"][0]["html"][:200])
            for each in report["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append((path, "wider than its window"))
    tab.complaints.clear()  # of what does not exist
    tab.close()
    return found


@pytest.mark.parametrize(("scheme", "screen"), [("light", "wide"), ("dark", "narrow")])
def test_pages_have_no_serious_fault_of_accessibility(
    browser: Any, site: Site, solved: str, scheme: str, screen: str
) -> None:
    look = {"color_scheme": scheme, "viewport": SCREENS[screen]}
    assert _faults(browser, site.address, (*PAGES, *MISSING), **look) == []


def test_nor_have_those_of_a_system_that_does_not_run(browser: Any, alone: Server) -> None:
    assert _faults(browser, alone.address, PAGES, viewport=SCREENS["narrow"]) == []


def test_wide_tables_scroll_by_the_keyboard(browser: Any, site: Site, solved: str) -> None:
    tab = Tab(browser, site.address, viewport=SCREENS["narrow"])
    page = tab.open(f"/problems/{solved.split('/')[2]}", "by iteration")
    table = page.get_by_role("region", name="Iterations")
    table.focus()
    page.keyboard.press("ArrowRight")
    tab.wait_for(lambda: table.evaluate("(box) => box.scrollLeft") > 0, "it does not scroll")
    tab.close()
