"""What was recorded of a core can be run again, and comes to the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.simulation import process
from support.simulation.world import World

from sustainml_orchestrator.core import validation
from sustainml_orchestrator.core.commands import Command
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.events import (
    Event,
    PeerObserved,
    Restored,
    StatusReceived,
    TimePassed,
)
from sustainml_orchestrator.core.excerpt import excerpt
from sustainml_orchestrator.core.ids import NodeStatus, TaskId, TaskStatus
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.recording import (
    _KINDS,
    Recorder,
    decode,
    encode,
    header,
    snapshot,
    stand_in,
)
from sustainml_orchestrator.core.replay import Replay, ReplayError
from sustainml_orchestrator.core.task import Task


class Recorded(Orchestrator):
    """An orchestrator whose events are recorded."""

    made: list[Recorded] = []  # noqa: RUF012

    def __init__(self, **options: Any) -> None:
        self.recorder = Recorder()
        options["draw_token"] = self.recorder.tokens(options["draw_token"])
        options["derive"] = self.recorder.derived(options["derive"])
        options["exhausted"] = self.recorder.exhausted(lambda outputs: False)
        super().__init__(**options)
        self.head = header(self)
        self.made.append(self)

    def handle(self, event: Event, now: Instant) -> list[Command]:
        self.recorder.begin(event, now)
        commands = super().handle(event, now)
        self.recorder.end(self.store.revision)
        return commands


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    monkeypatch.setattr(process, "Orchestrator", Recorded)
    monkeypatch.setattr(Recorded, "made", [])
    return Recorded.made


def state(core: Orchestrator) -> list[object]:
    tasks = [
        (t.task_id, t.status, t.attempt, t.token, [len(o or b"") for o in t.outputs], t.revision)
        for problem in core.store.problems.values()
        for t in problem
    ]
    nodes = [(n.name, n.status, len(n.instances), n.restarts) for n in core.lifecycle.nodes]
    return [*tasks, *nodes, core.store.revision]


@pytest.mark.parametrize("seed", range(40, 52))
def test_a_replay_comes_to_the_same_state(recorded: list[Recorded], seed: int) -> None:
    World(seed).run()
    assert recorded
    for core in recorded:
        text = json.dumps([core.head, core.recorder.take()])
        head, records = json.loads(text)
        replay = Replay(head)
        assert all(moment.agrees for moment in replay.run(records)), f"of {len(records)} events"
        assert state(replay.core) == state(core)


def test_a_replay_that_begins_later_has_the_tasks_and_the_nodes(recorded: list[Recorded]) -> None:
    World(7).run()
    core = recorded[-1]
    now = Instant(core.context.now, core.context.stamp)
    records = json.loads(json.dumps(snapshot(core, now)))
    replay = Replay({**core.head, "exact": False})
    assert {moment.agrees for moment in replay.run(records)} == {None}
    before = {t.task_id: t.status for p in core.store.problems.values() for t in p}
    after = {t.task_id: t.status for p in replay.core.store.problems.values() for t in p}
    assert after == before
    assert replay.core.lifecycle.ready == core.lifecycle.ready


def test_saves_have_other_numbers_in_a_replay_that_begins_later(recorded: list[Recorded]) -> None:
    """Else the disk seems to hang, and new tasks are refused."""
    World(40).run()
    core = recorded[-1]
    records = core.recorder.take()
    for record in records:
        if record[2] in ("Persisted", "PersistFailed"):
            record[3][0] += 1000
    replay = Replay({**core.head, "exact": False})
    assert core.persistence.settled > 10 and list(replay.run(records))
    assert state(replay.core) == state(core)
    assert replay.core.persistence.settled == core.persistence.settled


def test_payloads_and_credentials_are_left_out() -> None:
    status = StatusReceived("m", "/m", 1, 0, NodeStatus.ERROR, error_description="token=geheim4711")
    assert "geheim" not in json.dumps(encode(status))
    assert len(stand_in([1000, 7])) == 1000 and len(stand_in([2, 7])) == 2
    assert stand_in([9, 7]) != stand_in([9, 8])


@pytest.mark.parametrize(
    "record",
    [
        [], [0.0, 0, "Nothing", [], [], 1], [0.0, 0, "StatusReceived", [1], [], 1],
        [0.0, 0, "OutputReceived", [0, [1, 1], 1, 1, 1, [-5, 1], {}], [], 1], ["x"] * 6,
    ],
)  # fmt: skip
def test_a_record_that_makes_no_sense_is_refused(
    recorded: list[Recorded], record: list[Any]
) -> None:
    World(7).run()
    replay = Replay(recorded[0].head)
    with pytest.raises(ReplayError, match="makes no sense"):
        list(replay.run([record]))


@pytest.mark.parametrize("harm", [{"format": 2}, {"modules": {}}, {"settings": 3}])
def test_a_head_that_makes_no_sense_is_refused(
    recorded: list[Recorded], harm: dict[str, Any]
) -> None:
    World(7).run()
    with pytest.raises(ReplayError):
        Replay({**recorded[0].head, **harm})


def test_a_replay_that_differs_is_noticed(recorded: list[Recorded]) -> None:
    World(7).run()
    core = recorded[0]
    records = core.recorder.take()
    left_out = next(n for n, r in enumerate(records) if r[2] == "TaskSubmitted")
    del records[left_out]
    agrees = [moment.agrees for moment in Replay(core.head).run(records)]
    assert all(agrees[:left_out]) and False in agrees
    assert TimePassed in {type(m.event) for m in Replay(core.head).run(records)}


@pytest.mark.parametrize("seed", [43])
def test_an_excerpt_tells_the_story_of_one_problem(recorded: list[Recorded], seed: int) -> None:
    World(seed).run()
    core = recorded[-1]
    head, records = json.loads(json.dumps([core.head, core.recorder.take()]))
    sizes = []
    for problem_id, problem in core.store.problems.items():
        part_head, part = excerpt(head, records, problem_id)
        sizes.append(len(part))
        replay = Replay(json.loads(json.dumps(part_head)))
        assert all(moment.agrees for moment in replay.run(json.loads(json.dumps(part))))
        found = replay.core.store.problems[problem_id]
        assert [(t.status, t.attempt) for t in found] == [(t.status, t.attempt) for t in problem]
    assert len(sizes) > 2 and sorted(sizes)[len(sizes) // 2] < len(records) / 3


def test_an_excerpt_ends_with_the_same_bug(
    recorded: list[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the core itself raises; what came later is left out."""
    World(42).run()
    core = recorded[-1]
    records = core.recorder.take()
    ended = TaskId(6, 1)
    assert core.store.get(ended).status is TaskStatus.SUCCEEDED
    close = Task.close

    def break_down(task: Task, shown_as: TaskStatus) -> None:
        close(task, shown_as)
        if task.task_id == ended:
            raise KeyError("a bug")

    monkeypatch.setattr(Task, "close", break_down)
    for problem_id, most in ((6, len(records) / 3), (0, len(records))):
        head, part = excerpt(core.head, records, problem_id)
        assert len(part) < most
        with pytest.raises(KeyError, match="a bug"):
            list(Replay(head).run(part))


def test_many_tasks_are_checked_from_time_to_time(
    recorded: list[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug is found all the same, and it is said since when nothing was checked."""
    World(42).run()
    core = recorded[-1]
    records = core.recorder.take()
    calls: list[int] = []
    whole = validation.validate
    monkeypatch.setattr(validation, "validate", lambda core: calls.append(1) or whole(core))
    assert len(list(Replay(core.head).run(records))) == len(calls) == len(records)
    monkeypatch.setattr(validation, "_TASKS_PER_EVENT", 0.01)
    calls.clear()
    assert len(list(Replay(core.head).run(records))) == len(records)
    assert 1 < len(calls) < len(records) / 10
    replay = Replay(core.head)
    moments = replay.run(records)
    for _ in range(len(records) - 3):
        next(moments)
    replay.core.store.payload_bytes += 1
    with pytest.raises(validation.BrokenInvariant, match=r"are counted(?s:.*)events before this"):
        list(moments)


def test_recordings_of_former_versions_can_be_read() -> None:
    assert decode("PeerHeard", [7, 8]) == PeerObserved(7, 8)


def test_every_event_can_be_recorded(recorded: list[Recorded]) -> None:
    World(7).run()
    for kind in recorded[0]._handlers:
        assert kind is Restored or kind.__name__ in _KINDS, f"{kind.__name__} is missing"
