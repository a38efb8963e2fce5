"""A whole system with `sustainml rest` in front of it."""

from __future__ import annotations

import socket
from pathlib import Path

from support.front_end import FrontEnd
from support.system import wait_for
from support.up_process import Up
from sustainml_orchestrator.client import OrchestratorClient


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Served:
    """`sustainml up --rest`, a front-end, and a client of the orchestrator beside them.

    Args:
        folder: for the saved tasks.
        web: whether the web page is served as well.
    """

    def __init__(self, folder: Path, *, web: bool = False) -> None:
        self.port, self.web_port = free_port(), free_port()
        self.saved = folder / "saved"
        options = ("--rest", "--rest-port", str(self.port), "--isolation", "thread")
        options += ("--web-port", str(self.web_port)) if web else ()
        self.up = Up(*options, variables={"SUSTAINML_DB_PATH": str(self.saved)})
        self.front_end = FrontEnd(self.port)
        self.client = OrchestratorClient(self.up.namespace, timeout=10.0)

    def __enter__(self) -> Served:
        try:
            self.up.wait_for_line("[up] ready")
            wait_for(self.is_idle, 30.0)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.up.end()
        self.front_end.close()

    def is_idle(self) -> bool:
        """Whether the front-end would enable Submit."""
        try:
            status = self.front_end.post("/status", {}).get("status", {})
        except OSError:
            return False
        return len(status) == 6 and set(status.values()) == {"IDLE"}
