"""Places of calls: what hangs keeps nothing else waiting, also when its client has left."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from sustainml_orchestrator.client import ClientError
from sustainml_orchestrator.compat.configuring import Configuring
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.rest.calls import Calls, Slow

pytestmark = pytest.mark.timeout(30)


class Hanging:
    """A client whose modules do not answer until they are released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.begun = 0

    def configure_node(self, _name: str, _given: Any, _timeout: float) -> dict[str, Any]:
        self.begun += 1
        self.released.wait(20)
        return {"hardwares": "a, b"}


def calls_of(client: Hanging) -> Calls:
    live: Any = SimpleNamespace(add=lambda _: None, remove=lambda _: None)
    return Calls(client, live)  # type: ignore[arg-type]


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_each_kind_has_places_of_its_own() -> None:
    async def run() -> None:
        client = Hanging()
        calls = calls_of(client)
        places = Slow.CONFIGURATION.value

        async def configure(timeout: float) -> Any:
            return await calls.run_slow(
                Slow.CONFIGURATION, timeout, client.configure_node, "hw_resources", None
            )

        waiting = [asyncio.create_task(configure(20.0)) for _ in range(places)]
        try:
            await until(lambda: client.begun == places)
            with pytest.raises(ClientError, match="12 calls of the kind configuration") as refused:
                await configure(0.2)
            assert refused.value.code is ErrorCode.RESOURCE_EXHAUSTED
            # The other kinds, and quick calls, go on.
            for kind in set(Slow) - {Slow.CONFIGURATION}:
                assert await calls.run_slow(kind, 5.0, lambda left: left <= 5.0)
            assert await calls.run(lambda: 1) == await calls.run_command(lambda: 1) == 1
            for task in waiting:  # all clients leave; their threads are still there
                task.cancel()
            await asyncio.wait(waiting)
            with pytest.raises(ClientError, match="none ended"):
                await configure(0.2)
        finally:
            client.released.set()
        assert await configure(5.0) == {"hardwares": "a, b"}

    asyncio.run(run())


def test_questions_of_clients_that_left_hold_up_nobody() -> None:
    async def run() -> None:
        client = Hanging()
        configuring = Configuring(calls_of(client))
        body = {"configuration": "hardwares", "node_id": 3}
        gone = [asyncio.create_task(configuring.answer(body)) for _ in range(50)]
        await until(lambda: client.begun == 1)
        for task in gone:
            task.cancel()
        await asyncio.wait(gone)
        client.released.set()
        answer = await configuring.answer(body)
        assert answer["response"]["success"] is True
        assert client.begun == 2

    asyncio.run(run())


def test_a_call_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sustainml_orchestrator.rest.calls._OVERTIME", 0.1)

    async def run() -> None:
        client = Hanging()
        begun = time.monotonic()
        with pytest.raises(ClientError, match="did not end within") as refused:
            await calls_of(client).run_slow(Slow.PROFILE, 0.1, lambda _: client.released.wait(10))
        client.released.set()
        assert refused.value.code is ErrorCode.TIMEOUT and time.monotonic() < begun + 5

    asyncio.run(run())
