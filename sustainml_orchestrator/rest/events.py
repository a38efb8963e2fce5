"""Live events as server-sent events, which go on after a lost connection."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from sustainml_msgs.msg import SystemState, TaskSummary

from sustainml_orchestrator.client import ClientError
from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.core.ids import ErrorCode, TaskId
from sustainml_orchestrator.rest.calls import Calls
from sustainml_orchestrator.rest.context import FAILURES, Connected
from sustainml_orchestrator.rest.schemas import MAX_UINT32

router = APIRouter()

#: Updates kept for those that connect again.
_KEPT = 2000
_HEARTBEAT = 15.0  # s
#: Updates of different tasks may overtake each other: so much earlier is begun again.
_OVERTAKING = 100
#: Events of the history that are looked through for what was missed, at most.
_PAGES, _PAGE = 10, 1000

_STREAM = {
    "description": "task (data: a TaskSummary, id: its revision), system (a SystemState), resync "
    "(some events are lost: read the tasks again).",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}
_LAST_HELP = "Revision of the last event that was received; what came after it is repeated."
LastEventId = Annotated[
    str, Header(alias="Last-Event-ID", pattern="^[0-9]{0,19}$", description=_LAST_HELP)
]


class Update:
    """A message, written as an event once for all readers.

    Attributes:
        message: the state of a task or of the system.
    """

    def __init__(self, message: TaskSummary | SystemState) -> None:
        self.message = message

    @cached_property
    def text(self) -> bytes:
        """The event as it is sent."""
        data = json.dumps(plain(self.message), allow_nan=False)
        if isinstance(self.message, SystemState):
            return f"event: system\ndata: {data}\n\n".encode()
        return f"id: {self.message.revision}\nevent: task\ndata: {data}\n\n".encode()

    def is_wanted(self, problem_id: int) -> bool:
        """Whether it is told to a reader of this problem; 0 = all."""
        of = self.message
        return isinstance(of, SystemState) or problem_id in (0, of.task_id.problem_id)


class EventLog:
    """The latest updates in the order of their arrival, each with a position that grows.

    Args:
        calls: whose `live` is listened to.
    """

    def __init__(self, calls: Calls) -> None:
        self._kept: deque[Update] = deque(maxlen=_KEPT)
        self._end = 0
        self._incarnation = 0
        self._live = calls.live
        self._waiting: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        calls.live.add(self._on_message)

    @property
    def end(self) -> int:
        """The position of what comes next; noted in the event loop."""
        self._loop = self._loop or asyncio.get_running_loop()
        if not self._incarnation and (state := self._live.state) is not None:
            self._incarnation = state.incarnation  # the next state may be that of another one
        return self._end

    @property
    def start(self) -> int:
        """The position of the oldest update that is kept."""
        return self._end - len(self._kept)

    def after_revision(self, revision: int) -> int | None:
        """The position behind the update of this revision; None where it is not kept."""
        for back, update in enumerate(reversed(self._kept)):
            message = update.message
            if isinstance(message, TaskSummary) and message.revision == revision:
                return self._end - back
        return None

    def since(self, position: int) -> list[Update] | None:
        """What is kept from a position; None where some of it is dropped already."""
        if position < self.start:
            return None
        return list(islice(self._kept, position - self.start, None))

    async def wait(self, position: int) -> bool:
        """Until there is more than at a position; False when nothing came for a while."""
        if self._end > position:
            return True
        changed = asyncio.Event()
        self._waiting.add(changed)
        timer = asyncio.get_running_loop().call_later(_HEARTBEAT, changed.set)
        try:
            await changed.wait()
            return self._end > position
        finally:
            timer.cancel()
            self._waiting.discard(changed)

    def _on_message(self, message: TaskSummary | SystemState) -> None:
        """In a thread of `Live`."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._add, message)

    def _add(self, message: TaskSummary | SystemState) -> None:
        if isinstance(message, SystemState):
            if self._incarnation not in (0, message.incarnation):
                # Updates may be lost at a restart, and revisions begin anew in another database.
                self._end += 1
                self._kept.clear()
            self._incarnation = message.incarnation
        self._kept.append(Update(message))
        self._end += 1
        for changed in self._waiting:
            changed.set()


@router.get(
    "/events", responses={200: _STREAM, **FAILURES}, tags=["events"],
    response_class=StreamingResponse,
)  # fmt: skip
async def events(
    request: Request, calls: Connected, last: LastEventId = "",
    problem_id: Annotated[int, Query(ge=0, le=MAX_UINT32, description="0 = all.")] = 0,
) -> StreamingResponse:  # fmt: skip
    """Every change of tasks and of the system from now on, as server-sent events."""
    log: EventLog = request.app.state.events
    stream = _stream(calls, log, int(last) if last else None, problem_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


async def _stream(
    calls: Calls, log: EventLog, last: int | None, problem_id: int
) -> AsyncIterator[bytes]:
    position = log.end
    if (state := calls.live.state) is not None:
        yield Update(state).text
    if last is not None:
        found = log.after_revision(last)
        if found is not None:
            position = found
        else:
            async for text in _missed(calls, last, problem_id):
                yield text
    while True:
        updates = log.since(position)
        if updates is None:
            yield _resync("the connection was too slow, or the orchestrator was restarted")
            position = max(position + 1, log.start)
            continue
        for update in updates:
            position += 1
            if update.is_wanted(problem_id):
                yield update.text
        if not await log.wait(position):
            yield b": nothing new\n\n"


async def _missed(calls: Calls, last: int, problem_id: int) -> AsyncIterator[bytes]:
    """The states of the tasks that changed since a revision, by the history."""
    try:
        newest = await calls.run(calls.client.get_history, newest_first=True, limit=1)
        if (newest[0].revision if newest else 0) + _OVERTAKING < last:
            yield _resync("the database is another one")
            return
        changed, is_complete = await calls.run(_changed, calls, last, problem_id)
        summaries = [found for task in changed if (found := await _summary(calls, task))]
    except ClientError as error:
        yield _resync(error.message)
        return
    if not is_complete:
        yield _resync("too much happened meanwhile")
    for summary in sorted(summaries, key=lambda each: each.revision):
        yield Update(summary).text


async def _summary(calls: Calls, task_id: TaskId) -> TaskSummary | None:
    """The state of a task; None = it was deleted since."""
    try:
        task = await calls.run(calls.client.get_task, task_id, modules=["app_requirements"])
    except ClientError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
        return None
    return task.summary


def _changed(calls: Calls, last: int, problem_id: int) -> tuple[list[TaskId], bool]:
    """Tasks of which the history tells something after a revision, and whether these are all."""
    revision = max(0, last - _OVERTAKING)
    found: dict[TaskId, None] = {}
    wanted = TaskId(problem_id, 0)
    for _ in range(_PAGES):
        page = calls.client.get_history(wanted, after_revision=revision, limit=_PAGE)
        for event in page:
            if event.task_id.problem_id:
                found[TaskId(event.task_id.problem_id, event.task_id.iteration_id)] = None
            revision = max(revision, event.revision)
        if len(page) < _PAGE:
            return list(found), True
    return list(found), False


def _resync(reason: str) -> bytes:
    return f"event: resync\ndata: {json.dumps({'reason': reason})}\n\n".encode()
