"""Calls of the orchestrator from asyncio, and waiting for tasks."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter
from sustainml_msgs.msg import SystemState, TaskSummary

from sustainml_orchestrator.client import ClientError, OrchestratorClient
from sustainml_orchestrator.client.live import Live
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, TaskId

#: Calls in progress; the orchestrator takes 64 at a time, of all its clients.
_MAX_CALLS = 24
#: Commands to tasks in progress: as they end load, they wait for no other call.
_MAX_COMMANDS = 64
#: The least that a slow call is given, and how much longer it may take than it was given, in s.
_LEAST_TIME, _OVERTIME = 0.1, 20.0
#: Periods of the queries for the state of a task that is waited for, in s; updates come first.
_FIRST_PERIOD, _PERIOD = 0.1, 2.0
#: Longest rate of such queries, of all tasks, in 1/s.
_RATE = 25.0
#: How long the orchestrator may be away, for a restart, before waiting for a task ends, in s.
PATIENCE = 60.0
#: Codes of a call that nobody answered.
ABSENT = (ErrorCode.NODE_UNAVAILABLE, ErrorCode.TIMEOUT)

_Result = TypeVar("_Result")


class TaskLost(ClientError):
    """A task that was known is known no more, or nobody can be asked."""


class Slow(Enum):
    """What may take long; the value is how many calls of that kind are in progress at most.

    Each kind has places of its own, so that a module that hangs keeps no other kind waiting.
    """

    CONFIGURATION = 12
    QUESTION = 13  # of the original front-end to modules
    PROFILE = 4  # of data sets
    NODE_COMMAND = 32
    NODE_ENDING = 33

    @classmethod
    def of(cls, command: NodeCommand) -> Slow:
        """The kind of a command to a node: those that end load wait for no other command."""
        ends_load = command in (NodeCommand.STOP, NodeCommand.TERMINATE)
        return cls.NODE_ENDING if ends_load else cls.NODE_COMMAND


class Calls:
    """Runs calls of a client in threads, so that an event loop never blocks.

    Use it within one event loop, from the start of the server to its end.

    Args:
        client: for the calls; it stays the caller's.
        live: the updates.
    """

    def __init__(self, client: OrchestratorClient, live: Live) -> None:
        self.client = client
        self.live = live
        self._quick = CapacityLimiter(_MAX_CALLS)
        self._slow = {kind: CapacityLimiter(kind.value) for kind in Slow}
        self._commands = CapacityLimiter(_MAX_COMMANDS)
        self._unlimited = CapacityLimiter(math.inf)
        self._followed: dict[TaskId, _Followed] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, call: Callable[..., _Result], *args: Any, **options: Any) -> _Result:
        """Call something that blocks, with a deadline of its own, in a thread."""
        return await _in_thread(self._quick, partial(call, *args, **options))

    async def run_command(self, call: Callable[..., _Result], *args: Any) -> _Result:
        """The same for what ends load: commands to tasks, deletions."""
        return await _in_thread(self._commands, partial(call, *args))

    async def run_slow(
        self, kind: Slow, timeout: float, call: Callable[..., _Result], *args: Any
    ) -> _Result:
        """The same for what may take long; it keeps its place when nobody waits for it any more.

        Args:
            kind: whose places are used.
            timeout: longest wait, for a place as well, in s.
            call: its last argument is the time that is left, in s.
            args: the others.

        Raises:
            ClientError: no place became free in time, or by the call.
        """
        places, caller = self._slow[kind], object()
        begun = time.monotonic()
        with anyio.move_on_after(timeout) as scope:
            await places.acquire_on_behalf_of(caller)
        if scope.cancelled_caught:
            name = kind.name.lower().replace("_", " ")
            text = f"{kind.value} calls of the kind {name} are in progress, and none ended in "
            text += f"{timeout:g} s; `sustainml nodes` shows which module hangs; try again later"
            raise ClientError(ErrorCode.RESOURCE_EXHAUSTED, text)
        left = max(_LEAST_TIME, timeout - (time.monotonic() - begun))
        work = partial(call, *args, left)
        end = partial(places.release_on_behalf_of, caller)
        try:
            running = _in_thread(self._unlimited, work, end)
            return await asyncio.wait_for(running, left + _OVERTIME)
        except asyncio.TimeoutError as error:
            text = f"this did not end within {timeout:g} s; it goes on, and takes up a place"
            raise ClientError(ErrorCode.TIMEOUT, text) from error

    async def wait_for(
        self, task_id: TaskId, is_enough: Callable[[TaskSummary], bool]
    ) -> TaskSummary:
        """The state of a task once it is enough; hundreds may wait at once.

        Raises:
            ClientError: there is no such task, or no orchestrator answers for `PATIENCE`.
            TaskLost: so it is now, but the task was known before.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self.live.add(self._on_message)
        followed = self._followed.get(task_id)
        if followed is None:
            followed = self._followed[task_id] = _Followed()
            followed.query = asyncio.create_task(self._query(task_id, followed))
        followed.waiters += 1
        try:
            while True:
                changed = followed.changed
                if followed.error is not None:
                    raise followed.error if followed.latest is None else _lost(followed.error)
                if followed.latest is not None and is_enough(followed.latest):
                    return followed.latest
                await changed.wait()
        finally:
            followed.waiters -= 1
            if not followed.waiters:
                self._forget(task_id, followed)

    def close(self) -> None:
        """No update is needed any more."""
        self.live.remove(self._on_message)

    def _forget(self, task_id: TaskId, followed: _Followed) -> None:
        if followed.query is not None:
            followed.query.cancel()
        if self._followed.get(task_id) is followed:
            del self._followed[task_id]

    def _on_message(self, message: TaskSummary | SystemState) -> None:
        """In a thread of `Live`."""
        if isinstance(message, TaskSummary) and self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._tell, message)

    def _tell(self, summary: TaskSummary) -> None:
        task_id = TaskId(summary.task_id.problem_id, summary.task_id.iteration_id)
        if followed := self._followed.get(task_id):
            followed.tell(summary)

    async def _query(self, task_id: TaskId, followed: _Followed) -> None:
        """Ask for the state again and again: an update may be missed."""
        period, answered_at = _FIRST_PERIOD, time.monotonic()
        while True:
            try:
                followed.ask(await self.run(self._look, task_id))
                answered_at = time.monotonic()
            except ClientError as error:
                if error.code not in ABSENT or time.monotonic() > answered_at + PATIENCE:
                    followed.fail(error)
                    return
            except Exception as error:
                text = f"the state of task {task_id} cannot be read: {error!r}"
                followed.fail(ClientError(ErrorCode.INTERNAL_ERROR, text))
                return
            await asyncio.sleep(max(period, len(self._followed) / _RATE))
            period = min(2 * period, _PERIOD)

    def _look(self, task_id: TaskId) -> TaskSummary:
        # One output, whichever: the summary is what counts.
        return self.client.get_task(task_id, modules=["app_requirements"]).summary


async def _in_thread(
    limiter: CapacityLimiter, work: Callable[[], _Result], end: Callable[[], None] | None = None
) -> _Result:
    """Run work in a thread, which counts until it ends, also when its caller is cancelled."""

    async def run() -> _Result:
        try:
            return await anyio.to_thread.run_sync(work, limiter=limiter)
        finally:
            if end is not None:
                end()

    task = asyncio.ensure_future(run())
    task.add_done_callback(_taken)
    return await asyncio.shield(task)


def _taken(task: asyncio.Task[Any]) -> None:
    """Its exception may be for nobody: asyncio would complain."""
    if not task.cancelled():
        task.exception()


def _lost(error: ClientError) -> TaskLost:
    return TaskLost(error.code, error.message)


class _Followed:
    """A task that requests wait for."""

    def __init__(self) -> None:
        self.latest: TaskSummary | None = None
        self.error: ClientError | None = None
        self.changed = asyncio.Event()  # replaced by another at each change
        self.waiters = 0
        self.query: asyncio.Task[None] | None = None

    def tell(self, summary: TaskSummary) -> None:
        """An update; one that came late tells nothing."""
        if self.latest is None or summary.revision > self.latest.revision:
            self.ask(summary)

    def ask(self, summary: TaskSummary) -> None:
        """The answer to a query; it may be of a restored database, with lower revisions."""
        self.latest = summary
        self._notify()

    def fail(self, error: ClientError) -> None:
        self.error = error
        self._notify()

    def _notify(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()
