"""One browser and one system for all tests of the web page."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.browser import Site, Tab, chromium, launched


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


@pytest.fixture
def tab(browser: Any, site: Site) -> Iterator[Tab]:
    made = Tab(browser, site.address)
    yield made
    made.close()
