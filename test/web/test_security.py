"""Who may use the page: a real server on a port of its own, asked by bare HTTP and in a browser."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from support.browser import Tab
from support.web_server import Server
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from sustainml_orchestrator.rest.security import (
    WRONG_TOKEN_PAUSE,
    Access,
    cookie_name,
    is_loopback,
)

TOKEN = "a token of this test"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    assert made.end() == 128 + signal.SIGTERM


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    made = Server("--token", TOKEN)
    yield made
    assert made.end() == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""]
)
def test_names_of_others_are_not_served(server: Server, host: str) -> None:
    status, _, text = server.ask("GET", "/", Host=host)
    assert status in (400, 421) and "<html" not in text


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1", "[::1]:8080"])
def test_a_forwarded_port_is_served(server: Server, host: str) -> None:
    assert server.ask("GET", "/", Host=host)[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "::"])
def test_pages_of_others_change_nothing(server: Server, origin: str) -> None:
    body = json.dumps({"fields": {"problem_definition": "x"}})
    status, _, _ = server.ask("POST", "/page/tasks", body, Origin=origin,
                              Content_Type="application/json")  # fmt: skip
    assert status == 403
    assert server.ask("DELETE", "/page/problems/1", Origin=origin)[0] == 403
    with pytest.raises(InvalidStatus):
        connect(f"ws://{server.authority}/page/live", origin=origin)
    assert server.ask("DELETE", "/page/problems/1", Sec_Fetch_Site="cross-site")[0] == 403


def test_a_page_of_ours_is_heard_and_told_that_no_orchestrator_is_there(server: Server) -> None:
    with connect(f"ws://{server.authority}/page/live", origin=server.address) as socket:
        told = json.loads(socket.recv(10))["system"]
        assert told["present"] is False and "no orchestrator answers" in told["reason"]
        for wrong in ("", "[]", "{", '{"watch": 7}', '{"watch": ["x", null]}', "[" * 50_000):
            socket.send(wrong)
        socket.ping().wait(10)


def test_requests_without_an_orchestrator_say_what_to_do(server: Server) -> None:
    status, _, text = server.ask("GET", "/page/tasks/1/1")
    assert status == 503 and "sustainml up" in json.loads(text)["message"]


def test_nothing_inline_is_permitted(server: Server) -> None:
    _, headers, text = server.ask("GET", "/")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert " on" not in text and "<style" not in text and "style=" not in text


@pytest.mark.parametrize(
    "path", ["/page/tasks?limit=-1", "/page/tasks?offset=99999999999999999999", "/page/tasks/x/1",
             "/page/tasks/99999999999/1", "/page/problems/-1", "/static/../app.py", "/%00",
             "/static/%2e%2e/app.py", "/page/tasks?order=drop%20table"],
)  # fmt: skip
def test_wrong_requests_are_refused_quietly(server: Server, path: str) -> None:
    status, _, text = server.ask("GET", path)
    assert status in (200, 404, 422) and "Traceback" not in text and "import" not in text


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", '{"fields": {"problem_definition": "\\ud800"}}', "[" * 100_000,
     '{"fields": 7}', '{"fields": {"inputs": {}}}', '{"fields": {"nonsense": 1}}',
     '{"fields": {"modality": null}}'],
)  # fmt: skip
def test_wrong_bodies_are_refused(server: Server, body: str) -> None:
    status, _, text = server.ask("POST", "/page/tasks", body, Content_Type="application/json")
    assert status in (400, 422) and json.loads(text)["message"]


def test_what_was_sent_is_not_repeated(server: Server) -> None:
    body = json.dumps({"fields": "x" * 1_000_000})
    status, _, text = server.ask("POST", "/page/tasks", body, Content_Type="application/json")
    assert status == 422 and len(text) < 1000 and "fields" in json.loads(text)["message"]


def test_hostile_texts_of_problems_are_refused_at_once(server: Server) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 30)]
    for text in ("\n".join(lines), "\ud800", "[" * 5000, "a: &a [*a]"):
        began = time.monotonic()
        body = json.dumps({"text": text})
        answer = server.ask("POST", "/page/form/read", body, Content_Type="application/json")
        assert answer[0] == 422 and json.loads(answer[2])["message"], text[:20]
        assert time.monotonic() - began < 5.0


def test_a_page_that_does_not_exist_says_so(browser: Any, server: Server) -> None:
    status, headers, text = server.ask("GET", "/nope", Accept="text/html")
    assert status == 404 and "text/html" in headers["content-type"] and "<script" in text
    status, _, text = server.ask("GET", "/page/nope")
    assert status == 404 and json.loads(text)["error"] == "NOT_FOUND"
    assert server.ask("HEAD", "/tasks")[0] == 200
    tab = Tab(browser, server.address)
    tab.open("/nope", "There is no such page.")
    tab.open("/modules/%E0%A4%A", "There is no such module.")
    tab.complaints.clear()  # the browser logs the statuses
    tab.close()


def test_a_token_is_demanded(guarded: Server) -> None:
    status, headers, _ = guarded.ask("GET", "/tasks", Accept="text/html")
    assert status == 303 and headers["location"] == "/login?next=/tasks"
    _, headers, _ = guarded.ask("GET", "/new?base=1/1", Accept="text/html")
    assert headers["location"] == "/login?next=/new%3Fbase%3D1/1"
    assert guarded.ask("GET", "/static/style.css")[0] == 200
    for path in ("/page/system", "/static/main.js", "/static/style.css/../main.js"):
        assert guarded.ask("GET", path)[0] == 401
    for accepted, refusal in (("*/*", 401), ("text/html", 303)):
        begun = time.monotonic()
        wrong = guarded.ask("GET", "/page/system", Authorization="Bearer no", Accept=accepted)
        assert wrong[0] == refusal and time.monotonic() - begun >= WRONG_TOKEN_PAUSE
    assert guarded.ask("GET", "/page/system", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert (
        guarded.ask(
            "GET", "/page/system", Cookie=f"{cookie_name({'host': guarded.authority})}=guessed"
        )[0]
        == 401
    )
    with pytest.raises(InvalidStatus):
        connect(f"ws://{guarded.authority}/page/live")


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("/tasks", "/tasks"),
        ("/new?base=1/1", "/new?base=1/1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("http://e", "/"),
    ],
)
def test_the_login_gives_a_cookie_and_leads_nowhere_else(
    guarded: Server, wanted: str, given: str
) -> None:
    kind = "application/x-www-form-urlencoded"
    path = f"/login?{urlencode({'next': wanted})}"
    status, headers, _ = guarded.ask("POST", path, urlencode({"token": TOKEN}), Content_Type=kind)
    assert (status, headers["location"]) == (303, given)
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    value = cookie.split(";")[0]
    port = guarded.authority.rpartition(":")[2]
    assert value.startswith(f"sustainml_session_{port}=")  # another server may have another port
    assert guarded.ask("GET", "/page/system", Cookie=value)[0] == 200
    _, headers, _ = guarded.ask("POST", path, urlencode({"token": "wrong"}), Content_Type=kind)
    assert "set-cookie" not in headers and "wrong=1" in headers["location"]
    assert urlencode({"next": given}) in headers["location"]
    _, headers, _ = guarded.ask("POST", "/login", "token=" + "x" * 3000, Content_Type=kind)
    assert "wrong=1" in headers["location"]
    assert guarded.ask("POST", "/login", "token=" + "x" * 10_000, Content_Type=kind)[0] == 413
    guarded.ask("POST", "/logout", Cookie=value)
    assert guarded.ask("GET", "/page/system", Cookie=value)[0] == 401


def test_a_user_logs_in_with_a_browser(browser: Any, guarded: Server) -> None:
    tab = Tab(browser, guarded.address)
    page = tab.open("/tasks", "Log in")
    assert page.get_by_role("alert").count() == 0
    page.get_by_label("Token").fill("guessed")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").wait_for()
    assert page.get_by_role("alert").inner_text() == "That is not the token."
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    tab.wait("The orchestrator is gone")
    assert page.url.endswith("/tasks")
    tab.close()


def test_a_taken_port_is_said(server: Server) -> None:
    port = server.authority.rpartition(":")[2]
    second = subprocess.run(
        [sys.executable, "-m", "sustainml_orchestrator.cli", "web", "--port", port],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert second.returncode == 71
    assert f"port {port} of 127.0.0.1 is taken; choose another" in second.stderr


def test_other_addresses_are_not_loopback() -> None:
    assert is_loopback("127.0.0.1") and is_loopback("::1") and is_loopback("localhost")
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.2", "example.org", "")))
    access = Access("0.0.0.0", TOKEN, ("lab.example",))
    assert access.is_our_host("192.168.1.2:8080") and access.is_our_host("LAB.example:80")
    assert not access.is_our_host("evil.example") and not access.is_our_host("[")
    assert Access("127.0.0.2").is_our_host("127.0.0.2:8080")
    assert not Access("127.0.0.2").is_our_host("192.168.1.2")


def test_the_rest_interface_is_served_with_the_pages(server: Server, guarded: Server) -> None:
    assert "/tasks" in str(json.loads(server.ask("GET", "/api/v1/openapi.json")[2])["paths"])
    assert server.ask("GET", "/healthz")[0] == 200 and server.ask("GET", "/metrics")[0] == 200
    assert server.ask("GET", "/readyz")[0] == 503
    assert guarded.ask("GET", "/healthz")[0] == 200
    assert guarded.ask("GET", "/metrics")[0] == guarded.ask("GET", "/api/v1/tasks")[0] == 401
