"""The one ROS client of a web server, and what it hears, for all open pages.

Pages subscribe here. However many there are, the orchestrator has one subscriber more.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

from sustainml_msgs.msg import SystemState, TaskSummary

from sustainml_orchestrator.client import ClientError, OrchestratorClient
from sustainml_orchestrator.client.live import Live as Updates
from sustainml_orchestrator.core.happenings import TASK_DELETED
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.web import views
from sustainml_orchestrator.web.kept_answers import KeptAnswers
from sustainml_orchestrator.web.task_index import TaskIndex

#: The state is published every 5 s: after so long (s) without one the orchestrator has gone.
_SILENCE = 7.0
_CHECK_PERIOD = 0.25  # s
#: Between two looks into the history, in s, and the most events of one.
_LOOK_PERIOD, _EVENTS = 5.0, 50
_SAMPLE_PERIOD, _SAMPLES = 2.0, 300
#: Tasks in a page of the listing that fills the index, and the share of time spent asking for it.
_PAGE, _SHARE = 500, 0.2
_LONGEST_PAUSE = 2.0  # s, between two pages
_log = logging.getLogger("sustainml.web")


class Subscriber:
    """What one open page has not been told yet: of each task the newest state alone.

    Args:
        loop: in which the page is served.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.wanted: frozenset[str] | None = frozenset()  # ids of tasks; None = all
        self._loop = loop
        self._tasks: dict[str, str] = {}
        self._state = ""
        self._is_new = False
        self._changed = asyncio.Event()

    def want(self, tasks: frozenset[str] | None) -> None:
        """Tell of these tasks from now on, and that what was read before may be out of date."""
        self.wanted, self._is_new = tasks, True
        self._changed.set()

    def offer(self, task_id: str, text: str) -> None:
        """Take a task up, from any thread."""
        if self.wanted is None or task_id in self.wanted:
            self._later(lambda: self._tasks.__setitem__(task_id, text))

    def offer_state(self, text: str) -> None:
        """Take the state of the system up, from any thread."""
        self._later(lambda: setattr(self, "_state", text))

    def _later(self, change: Any) -> None:
        def run() -> None:
            change()
            self._changed.set()

        with suppress(RuntimeError):  # the server ends
            self._loop.call_soon_threadsafe(run)

    async def next(self, longest: float) -> str:
        """What is new, as JSON; "" when nothing is for so long (s)."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), longest)
        self._changed.clear()
        tasks, self._tasks = self._tasks, {}
        state, self._state = self._state, ""
        is_new, self._is_new = self._is_new, False
        parts = [f'"tasks":[{",".join(tasks.values())}]'] if tasks else []
        parts += [f'"system":{state}'] if state else []
        parts += ['"watching":true'] if is_new else []
        return "{" + ",".join(parts) + "}" if parts else ""


class Live:
    """Listens to the orchestrator in threads of its own; use it in a `with`.

    Args:
        namespace: of the framework.
        pipeline: the module graph.
        timeout: of calls, in s.
    """

    def __init__(self, namespace: str, pipeline: Pipeline, timeout: float = 5.0) -> None:
        self.pipeline = pipeline
        self.index = TaskIndex()
        self.kept = KeptAnswers()
        self.client = OrchestratorClient(namespace, timeout=timeout, node_name="sustainml_web")
        self.is_indexed = False
        self.total = 0
        self.samples: deque[dict[str, Any]] = deque(maxlen=_SAMPLES)
        self._subscribers: set[Subscriber] = set()
        self._state: SystemState | None = None
        self._received_at = 0.0
        self._present = False
        self._lives = 0
        self._sweep_due = threading.Event()
        self._looked_at = 0  # revision up to which the history was read for deletions
        self._ended = threading.Event()
        self.updates = Updates(self.client)
        work = (self._check, self._fill)
        self._threads = [
            threading.Thread(target=self._run, args=(each,), name=each.__name__, daemon=True)
            for each in work
        ]

    def __enter__(self) -> Live:
        self.updates.add(self._on_message)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._sweep_due.set()
        self.updates.close()
        self.client.close()
        for thread in self._threads:
            thread.join(2.0)

    def _run(self, work: Any) -> None:
        while not self._ended.is_set():
            try:
                work()
            except ClientError as error:
                if not self._ended.is_set():
                    _log.warning("%s: %s; trying again", work.__name__.strip("_"), error)
            except Exception:
                _log.exception("internal error; trying again")
            self._ended.wait(_CHECK_PERIOD)

    @property
    def mark(self) -> tuple[int, int]:
        """Changes with every update of a task or of the system."""
        return self.index.latest, self._state.revision if self._state is not None else 0

    # Subscribers #

    def subscribe(self, subscriber: Subscriber) -> None:
        """Tell a page what changes from now on; the state of the system at once."""
        self._subscribers = self._subscribers | {subscriber}
        subscriber.offer_state(self.system_json())

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """The page is closed."""
        self._subscribers = self._subscribers - {subscriber}

    def system(self) -> dict[str, Any]:
        """The state of the system as pages show it."""
        state = self._state
        data = views.system(state) if state is not None else {"nodes": [], "ready": False}
        if not self._present:
            where = self.client.namespace
            data["ready"] = False
            data["reason"] = f"no orchestrator answers in namespace {where}"
        return {
            **data,
            "present": self._present,
            "life": self._lives,
            "now": time.time(),
            "tasks": self.total if not self.is_indexed else len(self.index),
            "indexed": len(self.index),
        }

    def system_json(self) -> str:
        """The same as JSON."""
        return json.dumps(self.system(), ensure_ascii=False, allow_nan=False)

    def _show_state(self) -> None:
        text = self.system_json()
        for each in self._subscribers:
            each.offer_state(text)

    # Threads #

    def _on_message(self, message: TaskSummary | SystemState) -> None:
        """In a thread of `updates`, which must go on whatever happens here."""
        try:
            if isinstance(message, SystemState):
                self._take_state(message)
            else:
                self._take(message)
        except Exception:
            _log.exception("internal error; going on with the next update")

    def _take(self, update: TaskSummary) -> None:
        self.index.put([update])
        if self._subscribers:
            data = views.summary(update)
            text = json.dumps(data, ensure_ascii=False, allow_nan=False)
            for each in self._subscribers:
                each.offer(data["id"], text)

    def _take_state(self, state: SystemState) -> None:
        if self._state is None or state.incarnation != self._state.incarnation:
            if self._state is None or state.session != self._state.session:
                self.index.clear()
                self._looked_at = state.revision
            self._lives += 1
            self._sweep_due.set()
        self._state, self._received_at = state, time.monotonic()
        self._present = True
        self._show_state()

    def _check(self) -> None:
        """Notice that the orchestrator is gone, and sample the counts for the charts."""
        sample_at, look_at, mismatches = 0.0, 0.0, 0
        while not self._ended.wait(_CHECK_PERIOD):
            silence = time.monotonic() - self._received_at
            present = self._state is not None and silence < _SILENCE and self._reachable()
            if present != self._present:
                self._present = present
                self._show_state()
            if self._differs() or time.monotonic() >= look_at:
                look_at = time.monotonic() + _LOOK_PERIOD
                self._forget_deleted()
            if time.monotonic() >= sample_at:
                sample_at = time.monotonic() + _SAMPLE_PERIOD
                self._sample()
                mismatches = mismatches + 1 if self._differs() else 0
                if mismatches >= 3:  # tasks were deleted, or updates lost
                    mismatches = 0
                    self._sweep_due.set()

    def _reachable(self) -> bool:
        try:
            return self.client.is_reachable()
        except ClientError:
            return False

    def _sample(self) -> None:
        if (state := self._state) is not None and self._present:
            names = ("waiting", "running", "succeeded", "failed", "stopped")
            counts = {name: getattr(state, name) for name in names}
            self.samples.append({"at": round(time.time(), 1), **counts})

    def _differs(self) -> bool:
        """Whether the index has other numbers of tasks than the orchestrator tells."""
        state, of = self._state, self.index.counts
        if state is None or not self._present or not self.is_indexed:
            return False
        told = (state.waiting, state.failed, state.running, state.succeeded, state.stopped)
        return told != tuple(of[number] for number in range(5))

    def _forget_deleted(self) -> None:
        """Read in the history which tasks were deleted: no update of a task tells that."""
        state = self._state
        if state is None or not self._present or state.revision <= self._looked_at:
            return
        # A few: where more happens at once, its numbers tell, see `_differs`.
        events = self.client.get_history(
            after_revision=self._looked_at, limit=_EVENTS, newest_first=True
        )
        gone = {each.task_id.problem_id for each in events if each.event == TASK_DELETED}
        for problem in gone:
            self.index.drop(problem)
        self._looked_at = max(events[0].revision if events else 0, state.revision)
        if gone:
            self._show_state()

    def _fill(self) -> None:
        """List all tasks, the newest first, whenever that is due."""
        self._sweep_due.wait()
        if self._ended.is_set():
            return
        self._sweep_due.clear()
        try:
            self._list_all()
        except ClientError:
            self._ended.wait(_CHECK_PERIOD)
            self._sweep_due.set()

    def _list_all(self) -> None:
        self.index.begin_sweep()
        offset, self.total = 0, 1
        while offset < self.total and not self._ended.is_set():
            began = time.monotonic()
            page, self.total = self.client.list_tasks(newest_first=True, offset=offset, limit=_PAGE)
            asked = time.monotonic() - began
            self.index.put(page)
            offset += len(page) or self.total
            if offset < self.total:
                self._ended.wait(min(_LONGEST_PAUSE, asked * (1 / _SHARE - 1)))
        self.index.end_sweep()
        self.is_indexed = True
        self._show_state()
