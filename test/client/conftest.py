"""A client, and a process that misbehaves in the place of its orchestrator."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import pytest
from support.scripted_orchestrator import serving

from sustainml_orchestrator.client import OrchestratorClient


@pytest.fixture
def namespace() -> str:
    return f"/client_{os.getpid()}_{time.monotonic_ns() % 10**6}"


@pytest.fixture
def server(namespace: str) -> Iterator[subprocess.Popen[bytes]]:
    with serving(namespace) as process:
        yield process


@pytest.fixture
def client(namespace: str) -> Iterator[OrchestratorClient]:
    with OrchestratorClient(namespace, timeout=20.0) as made:
        yield made
