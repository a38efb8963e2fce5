"""One browser and one system for all tests of the web page."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.browser import Site, Tab, chromium, launched


def solve(tab: Tab, example: str) -> str:
    """Submit an example by the form; the path of its task once it is solved."""
    page = tab.open("/new", example)
    page.get_by_role("button", name=example).click()
    page.get_by_role("button", name="Solve it").click()
    page.wait_for_url(re.compile(r"/tasks/\d+/\d+$"))
    tab.wait_until_solved()
    return urlsplit(page.url).path


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    chromium()
    made = Site(str(tmp_path_factory.mktemp("site")))
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(scope="session")
def solved(browser: Any, site: Site) -> str:
    """The path of a task that is solved."""
    tab = Tab(browser, site.address)
    path = solve(tab, "Find defects on printed circuit boards")
    tab.close()
    return path


@pytest.fixture
def tab(browser: Any, site: Site) -> Iterator[Tab]:
    made = Tab(browser, site.address)
    yield made
    made.close()
