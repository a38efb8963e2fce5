"""`sustainml web` as a process."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time


class Server:
    """`sustainml web` as a process, where no orchestrator runs."""

    def __init__(self, *options: str) -> None:
        namespace = f"/web_{os.getpid()}_{time.monotonic_ns()}"
        command = [sys.executable, "-m", "sustainml_orchestrator.cli", "-n", namespace, "web"]
        self.process = subprocess.Popen(
            [*command, "--port", "0", *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        for line in self.process.stdout:  # after lines of Fast DDS, if there are any
            if line.startswith("web page: "):
                self.address = line.removeprefix("web page: ").strip()
                break
        self.authority = self.address.removeprefix("http://")

    def ask(
        self, method: str, path: str, body: str = "", **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Status, headers and body of an answer."""
        connection = http.client.HTTPConnection(self.authority, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body.encode() or None, named)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, text

    def end(self) -> int:
        """Its exit code."""
        self.process.terminate()
        return self.process.wait(20)
