"""The web page beside `sustainml up`."""

from __future__ import annotations

import socket

from support.up_process import Up


def test_a_taken_port_is_said_and_the_system_comes_up_without_the_page() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        up = Up("--web-port", port, "--isolation", "thread")
        try:
            up.wait_for_line(f"port {port} of 127.0.0.1 is taken")
            if not any("[up] ready" in line for line in up.lines):
                up.wait_for_line("[up] ready")
            if not any("[up] web " in line for line in up.lines):
                up.wait_for_line("[up] web ")
            assert any("a restart cannot help" in line for line in up.lines)
            assert up.process.poll() is None
        finally:
            up.end()
