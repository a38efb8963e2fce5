"""Drives the bare core: feeds events, remembers commands, plays well-behaved modules."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TypeVar

import yaml

from sustainml_orchestrator.core.commands import Command, Reply, SendControl
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.events import (
    Event,
    OutputReceived,
    StatusReceived,
    TaskCommanded,
    TaskSubmitted,
    TimePassed,
)
from sustainml_orchestrator.core.ids import (
    NO_TASK,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.core.validation import validate

SESSION = 7
_DATA = yaml.safe_load((Path(__file__).parents[2] / "config" / "pipeline.yaml").read_text())
PIPELINE = Pipeline.from_data(_DATA, "pipeline.yaml")
C = TypeVar("C", bound=Command)


class Driver:
    """A core, a clock, and the modules' side of the conversation."""

    def __init__(
        self,
        *,
        pipeline: Pipeline = PIPELINE,
        journalled: bool = False,
        incarnation: int = 0,
        **settings: object,
    ) -> None:
        self.core = Orchestrator(
            pipeline=pipeline,
            settings=Settings(**settings),  # type: ignore[arg-type]
            session=SESSION,
            incarnation=incarnation,
            draw_token=count(1).__next__,
            derive=lambda payload, models, left, previous: payload + b"'",
            exhausted=lambda outputs: any(output in self.last_proposals for output in outputs),
            journalled=journalled,
        )
        #: outputs after which no further model can be proposed
        self.last_proposals: set[bytes | None] = set()
        self.names = [spec.name for spec in self.core.pipeline.modules]
        self.now = 100.0
        self.commands: list[Command] = []
        self.incarnations = dict.fromkeys(self.names, 1)
        self._calls = count(1)

    def give(self, event: Event, after: float = 0.001) -> list[Command]:
        """Let time pass, then an event happen."""
        self.now += after
        self.released = self.core.handle(event, Instant(self.now, int(self.now * 1e9)))
        commands = self.core.context.commands  # with the changes that a journal would save
        self.commands += commands
        validate(self.core)
        return commands

    def find(self, kind: type[C]) -> list[C]:
        """The commands of a kind since the last call of `forget`."""
        return [c for c in self.commands if isinstance(c, kind)]

    def forget(self) -> None:
        self.commands.clear()

    def status(self, name: str, node_status: NodeStatus, **fields: object) -> list[Command]:
        """A module says something."""
        incarnation = self.incarnations[name]
        base = {"last_command": 0, **fields}
        event = StatusReceived(
            node_name=name,
            instance=f"/sustainml/{name}",
            incarnation=incarnation,
            node_status=node_status,
            **base,  # type: ignore[arg-type]
        )
        return self.give(event)

    def report(self, name: str, task: Task, status: TaskStatus, **fields: object) -> None:
        """A module gives word about a task."""
        known = {
            "task_id": task.task_id,
            "attempt": task.attempt,
            "session": SESSION,
            "token": task.token,
            "try_number": 1,
            **fields,
        }
        self.status(name, NodeStatus.RUNNING, task_status=status, **known)

    def output(self, name: str, task: Task, **facts: float | str) -> list[Command]:
        """A module delivers."""
        index = self.names.index(name)
        payload = f"{name} of {task.task_id}".encode()
        event = OutputReceived(
            index, task.task_id, task.attempt, SESSION, task.token, payload, facts
        )
        return self.give(event)

    def bring_up(self) -> None:
        """All modules appear and obey START_NODE."""
        for name in self.names:
            self.status(name, NodeStatus.INACTIVE)
        for _ in range(20):
            for command in self.give(TimePassed(), 0.1):
                if isinstance(command, SendControl) and command.cmd_node is NodeCommand.START:
                    fields = {"last_command": command.command_id}
                    self.status(command.target, NodeStatus.INITIALIZING, **fields)
                    self.status(command.target, NodeStatus.IDLE, **fields)
        assert self.core.lifecycle.ready
        self.forget()

    def beat(self, seconds: float, silent: tuple[str, ...] = ()) -> None:
        """Time passes with heartbeats of all but the silent."""
        end = self.now + seconds
        while self.now < end:
            for node in self.core.lifecycle.nodes:
                if node.name not in silent and node.primary is not None:
                    self.status(
                        node.name,
                        node.primary.status,
                        last_command=self.core.lifecycle.command_ids.last,
                    )
            self.give(TimePassed(), min(0.5, end - self.now + 1e-6))

    def ask(self, make: type, *args: object) -> Reply:
        """Make a request, return its answer."""
        call = next(self._calls)
        replies = [c for c in self.give(make(call, *args)) if isinstance(c, Reply)]
        assert [r.call for r in replies] == [call]
        return replies[0]

    def submit(self, base: TaskId = NO_TASK, **fields: object) -> Task:
        """A new task."""
        call = next(self._calls)
        event = TaskSubmitted(call, b"input", "a problem", base_task=base, **fields)  # type: ignore[arg-type]
        (reply,) = (c for c in self.give(event) if isinstance(c, Reply) and c.call == call)
        assert reply.error is None, reply.error
        return self.core.store.get(reply.value)

    def command(self, task: Task, command: TaskCommand) -> Reply:
        """A front-end's command on a task."""
        return self.ask(TaskCommanded, task.task_id, command)

    def finish(self, task: Task, **facts: float | str) -> None:
        """Every module delivers."""
        for name in self.names:
            if task.outputs[self.names.index(name)] is None:
                self.output(name, task, **(facts if name == "carbon_tracker" else {}))
