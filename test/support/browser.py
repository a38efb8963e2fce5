"""Debian's Chromium by Playwright, on the web page of a real system."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.up_process import Up

#: One of each kind; of a system with a problem of one iteration.
PAGES = ("/", "/tasks", "/new", "/tasks/1/1", "/problems/1", "/modules/hw_resources", "/log")
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Its path; skips the test if it is not installed."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or make test-web as root")
    return path


@contextmanager
def launched() -> Iterator[Any]:
    """A browser without a window."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=options)
        try:
            yield browser
        finally:
            browser.close()
    for thread in threading.enumerate():  # of Playwright's loop, which does not wait for them
        if thread.name.startswith("asyncio_"):
            thread.join(10.0)


class Site:
    """A running system with its web page."""

    def __init__(self, home: str, *options: str) -> None:
        self.up = Up("--web-port", "0", *options, home=home)
        self.up.wait_for_line("[up] ready")
        if not self._told():
            self.up.wait_for_line("web page: ")
        self.address = self._told()[0].split("web page: ")[1].strip()
        self._reader = threading.Thread(target=self.up.read_on, daemon=True)
        self._reader.start()

    def _told(self) -> list[str]:
        return [line for line in self.up.lines if "web page: " in line]

    def end(self) -> None:
        """End all processes."""
        self.up.end()


class Tab:
    """A page of the site that keeps what the browser complained of."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.address = address
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._on_message)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _on_message(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, path: str, text: str = "") -> Any:
        """Go to a page, wait until it shows a text."""
        self.page.goto(self.address + path)
        if text:
            self.wait(text)
        return self.page

    def wait(self, text: str, within: float = 20.0) -> None:
        """Until the page shows a text."""
        self.wait_for(lambda: self.page.get_by_text(text).count(), f"'{text}' is not shown", within)

    def wait_until_solved(self) -> None:
        """Until the task that the page shows has succeeded: not its first step alone."""
        self.page.locator(".head .badge.s-succeeded").wait_for(timeout=60_000)

    def text(self) -> str:
        """What the page shows."""
        return str(self.page.inner_text("body"))

    def wait_for(self, condition: Any, what: str, within: float = 20.0) -> None:
        """Until something is true, while the browser goes on."""
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"{what}:\n{self.text()[:2000]}"
            self.page.wait_for_timeout(50)

    def close(self) -> None:
        """Close it; the browser had nothing to complain of."""
        self.context.close()
        assert self.complaints == []


def solve(tab: Tab, example: str) -> str:
    """Submit an example by the form; the path of its task once it is solved."""
    page = tab.open("/new", example)
    page.get_by_role("button", name=example).click()
    page.get_by_role("button", name="Solve it").click()
    page.wait_for_url(re.compile(r"/tasks/\d+/\d+$"))
    tab.wait_until_solved()
    return urlsplit(page.url).path
