"""Slow clients on real sockets: they are given up, others are served meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sustainml_orchestrator.rest import bodies, connections
from sustainml_orchestrator.rest.bodies import BodyLimit, read_object
from sustainml_orchestrator.rest.serving import Server, listen

HEAD = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n\r\n"


def told(connection: socket.socket) -> bytes:
    """A small answer: it comes in one piece or two."""
    answer = connection.recv(1000)
    return answer + connection.recv(100) if answer.endswith(b"\r\n\r\n") else answer


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the size of the body, or with what is wrong with it."""
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse

    if scope["type"] != "http":
        return
    try:
        answer = PlainTextResponse(str(len(await read_object(Request(scope, receive)))))
    except bodies.BodyError as error:
        answer = PlainTextResponse(str(error), error.status)
    await answer(scope, receive, send)


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(connections, "_HEAD_TIME", 0.5)
    monkeypatch.setattr(bodies, "_TIME", 0.5)
    listener = listen("127.0.0.1", 0, "", "--port")
    server = Server(BodyLimit(echo, {"/small": 10}), listener)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield "127.0.0.1", server.port
    server.stop()
    thread.join(20)
    assert not thread.is_alive()


def test_a_head_that_does_not_come_ends_the_connection(address: tuple[str, int]) -> None:
    for begin in (b"", b"GET / HTTP/1.1\r\nHost: 127"):
        with socket.create_connection(address, timeout=20) as slow:
            slow.sendall(begin)
            assert slow.recv(100) == b""


def test_a_further_head_that_comes_in_drops_ends_the_connection(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=20) as slow:
        slow.sendall(HEAD + b'{"a": 1, "b": 2}    ')
        assert told(slow).endswith(b"2")
        slow.settimeout(0.1)
        deadline = time.monotonic() + 20.0
        while True:
            assert time.monotonic() < deadline, "the connection is still open"
            try:
                slow.sendall(b"G")
                if slow.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break


def test_a_body_that_does_not_come_is_given_up(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=20) as slow:
        slow.sendall(HEAD + b"{")
        assert b" 408 " in slow.recv(1000).split(b"\r\n")[0]


def test_a_body_that_is_too_large_is_refused(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=20) as large:
        large.sendall(HEAD.replace(b" / ", b" /small ") + b'{"a": 1, "b": 2}    ')
        assert b" 413 " in large.recv(1000).split(b"\r\n")[0]


def test_slow_connections_leave_others_quick(address: tuple[str, int]) -> None:
    held = [socket.create_connection(address, timeout=20) for _ in range(200)]
    try:
        for each in held:
            each.sendall(b"G")
        began = time.monotonic()
        with socket.create_connection(address, timeout=20) as quick:
            quick.sendall(HEAD + b'{"a": 1}            ')
            assert told(quick).endswith(b"1")
        assert time.monotonic() - began < 5.0
        assert all(each.recv(100) == b"" for each in held)
    finally:
        for each in held:
            each.close()
