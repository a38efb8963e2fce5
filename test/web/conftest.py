"""One browser and one system for all tests of the web page."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.browser import Site, Tab, chromium, launched, solve


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
