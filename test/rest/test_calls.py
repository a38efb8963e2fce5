"""Calls in progress have places, and what ends load has places of its own."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from sustainml_orchestrator.client import ClientError
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.rest.calls import Calls, Slow


def test_commands_that_end_load_wait_for_no_others() -> None:
    nobody: Any = SimpleNamespace()
    calls, ending = Calls(nobody, nobody), threading.Event()
    begun = threading.Semaphore(0)

    def hang(left: float) -> bool:
        begun.release()
        return ending.wait(left)

    async def check() -> None:
        kind = Slow.NODE_COMMAND
        hanging = [asyncio.create_task(calls.run_slow(kind, 60.0, hang)) for _ in range(kind.value)]
        for _ in hanging:
            await asyncio.to_thread(begun.acquire, timeout=20.0)
        with pytest.raises(ClientError) as refused:
            await calls.run_slow(kind, 0.1, hang)
        assert refused.value.code is ErrorCode.RESOURCE_EXHAUSTED
        assert await calls.run_slow(Slow.NODE_ENDING, 20.0, lambda _: "stopped") == "stopped"
        ending.set()
        assert await asyncio.gather(*hanging) == [True] * len(hanging)

    asyncio.run(check())
