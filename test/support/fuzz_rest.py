"""Requests made from the description of the REST interface, against a whole system.

Schemathesis finds any answer with status 500, and any that its description does not permit. It
runs in an environment of its own: `make fuzz-rest`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from support.http_client import ask
from support.rest_server import Served

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance", "negative_data_rejection",
)  # fmt: skip
#: Variables with which a Python of ROS finds its packages; another Python must not.
FOREIGN = ("PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


def _configuration(folder: Path) -> Path:
    """Its file of settings: that a module is away or does not answer in time is no mistake."""
    file = folder / "schemathesis.toml"
    permitted = '["2xx", "3xx", "4xx", 503, 504]'
    file.write_text(f"[checks]\nnot_a_server_error.expected-statuses = {permitted}\n")
    return file


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=100, help="of each operation")
    parser.add_argument("command", nargs="+", help="schemathesis, and further options after --")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Served(Path(folder)) as served:
        command = [
            given.command[0], "--config-file", str(_configuration(Path(folder))), "run", f"http://127.0.0.1:{served.port}/api/v1/openapi.json",
            *("--max-examples", str(given.examples), "--checks", ",".join(CHECKS)),
            *("--phases", "examples,coverage,fuzzing", "--request-timeout", "60"),
            *("--exclude-path", "/events", "--suppress-health-check", "all"),
            *given.command[1:],
        ]  # fmt: skip
        environment = {k: v for k, v in os.environ.items() if k not in FOREIGN}
        code = subprocess.run(command, cwd=folder, env=environment, check=False).returncode
        health = ask(served.port, "GET", "/healthz")
        print(f"the server afterwards: {health.status} {health.text}")
        return code or int(health.status != 200)


if __name__ == "__main__":
    sys.exit(main())
