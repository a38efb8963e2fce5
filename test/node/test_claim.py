"""One process of this machine has the place of the orchestrator, and is known to everyone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.system import wait_for

from sustainml_orchestrator.contract import claim, domain
from sustainml_orchestrator.contract.claim import Claim, Holder

HOLD = """import sys
from sustainml_orchestrator.contract.claim import Claim
claim = Claim(sys.argv[1])
print(claim.is_ours, flush=True)
sys.stdin.read()
"""
NAMESPACE = f"/claim_{os.getpid()}"
IN_A_CONTAINER = ["unshare", "--pid", "--fork", "--kill-child"]
MAY_UNSHARE = subprocess.run([*IN_A_CONTAINER, "true"], capture_output=True).returncode == 0


@contextmanager
def held(*wrapper: str) -> Iterator[subprocess.Popen[str]]:
    """A child process that holds the claim."""
    command = [*wrapper, sys.executable, "-c", HOLD, NAMESPACE]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()  # the kernel takes the claim back
    wait_for(lambda: holder() is None)  # in a container it ends after the one that is waited for


def holder() -> Holder | None:
    return claim.holder(NAMESPACE, domain.current())


def test_the_process_that_holds_the_claim_is_known() -> None:
    assert holder() is None
    with held() as process:
        assert holder() == Holder(process.pid, os.geteuid())
        assert Claim(NAMESPACE.strip("/")).is_ours is False, "the same namespace"
        elsewhere = Claim(f"{NAMESPACE}/more")
        assert elsewhere.is_ours
        elsewhere.close()
        assert claim.domains(NAMESPACE, range(domain.LAST)) == [domain.current()]
    assert holder() is None


def test_what_is_given_up_can_be_claimed_again() -> None:
    for _ in range(2):
        made = Claim(NAMESPACE)
        assert made.is_ours and holder() == Holder(os.getpid(), os.geteuid())
        made.close()
        assert holder() is None


@pytest.mark.skipif(not MAY_UNSHARE, reason="namespaces of process ids are not permitted here")
def test_a_process_id_of_another_container_is_not_believed() -> None:
    with held(*IN_A_CONTAINER):
        assert holder() == Holder(0, os.geteuid())


@pytest.mark.parametrize("forged", ["", "1", "a-b-c", "1-2-", "1-2-3-4", "²-1-1"])
def test_other_sockets_say_nothing(forged: str) -> None:
    name = claim._name(NAMESPACE, domain.current())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(f"\0{name}/{forged}")
        assert holder() is None
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bare:
            bare.bind(f"\0{name}")
            assert holder() == Holder()
