"""A page whose server is away for a while."""

from __future__ import annotations

import signal
from typing import Any

from support.browser import Tab
from support.http_client import EventStream
from support.web_server import Server


def test_links_work_while_the_server_is_away_and_are_followed_when_it_is_back(browser: Any) -> None:
    server = Server()
    tab = Tab(browser, server.address)
    page = tab.open("/", "Overview")
    page.evaluate("window.unloaded = false")
    server.process.kill()
    server.process.wait()
    tab.wait("The web server is not reachable.")
    tab.wait("no connection")
    page.get_by_role("link", name="Tasks", exact=True).click()
    page.get_by_role("heading", name="Tasks").wait_for()
    tab.wait("is it still running?")
    again = Server("--port", server.authority.rpartition(":")[2])
    try:
        tab.wait("There is no task yet.")
        tab.wait_for(lambda: "not reachable" not in tab.text(), "it still says that it is away")
        assert page.evaluate("window.unloaded") is False
        expected = ("net::ERR_", "WebSocket")  # the killed server may have been answering
        assert [c for c in tab.complaints if not any(each in c for each in expected)] == []
        tab.complaints.clear()
        tab.close()
    finally:
        again.end()


def test_a_server_that_forgot_the_login_asks_for_it_again(browser: Any) -> None:
    server = Server("--token", "a token")
    tab = Tab(browser, server.address)
    page = tab.open("/new?base=1/1", "Log in")
    page.get_by_label("Token").fill("a token")
    page.get_by_role("button", name="Log in").click()
    tab.wait("The orchestrator is gone")
    server.process.kill()
    server.process.wait()
    again = Server("--token", "a token", "--port", server.authority.rpartition(":")[2])
    try:
        page.wait_for_url("**/login?next=*")
        page.get_by_label("Token").fill("a token")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/new?base=1/1")
        tab.context.close()  # it complains of the server that was gone
    finally:
        again.end()


def test_a_server_with_open_pages_and_streams_ends_quietly(browser: Any) -> None:
    server = Server()
    tab = Tab(browser, server.address)
    tab.open("/tasks/1/1", "The orchestrator is gone")
    with EventStream(int(server.authority.rpartition(":")[2]), "/api/v1/events"):
        assert server.end() == 128 + signal.SIGTERM
        assert server.process.stdout is not None
        assert server.process.stdout.read() == ""
    tab.context.close()  # it complains of the server that is gone
