"""What was set on modules: applied again to a process that comes in place of another.

A new process is given the settings before START_NODE, which waits for its answer for a moment. One
that cannot take them while it is inactive is given them as soon as it is active.

Settings are known from requests to the orchestrator, and from parameters that have changed: those
were set by `ros2 param set`, or by a front-end that called the module itself. A parameter need not
be a setting: where a new process refuses, it is asked again without what is only known that way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from sustainml_orchestrator.core.commands import ConfigureNode
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.events import (
    ConfigurationAnswered,
    NodeConfigured,
    ParametersChanged,
)
from sustainml_orchestrator.core.happenings import NODE_CONFIGURED, NODE_NOT_CONFIGURED
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.core.instance import Instance, Reapplication
from sustainml_orchestrator.core.states import ACTIVE_NODES

if TYPE_CHECKING:
    from sustainml_orchestrator.core.node import Node

#: Longest time that START_NODE waits for the answer of a process to its settings, in s.
PATIENCE = 5.0
#: Size of the settings of a module, in characters; beyond it those set first are forgotten.
MAX_SIZE = 1 << 20


class Configurations:
    """The settings of each module that a `configure` has accepted.

    Attributes:
        settings: JSON texts by name of the setting, by module.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.settings: dict[str, dict[str, str]] = {}
        self._unproven: dict[str, set[str]] = {}  # by module: `configure` has not accepted these

    def accept(self, event: NodeConfigured) -> None:
        """Remember what a module has accepted."""
        self._remember(event.node_name, event.settings)
        self._unproven.get(event.node_name, set()).difference_update(event.settings)

    def learn(self, node: Node, event: ParametersChanged) -> None:
        """Remember parameters that have changed, of a node that has a configure service."""
        if node.spec.lifecycle != "managed":
            known = self.settings.get(node.name, {})
            new = {name for name in event.settings if name not in known}
            self._remember(node.name, event.settings)
            unproven = self._unproven.get(node.name, set()) | new
            self._unproven[node.name] = unproven.intersection(self.settings[node.name])

    def _remember(self, module: str, changes: Mapping[str, str]) -> None:
        settings = self.settings.setdefault(module, {})
        for name, text in changes.items():
            settings.pop(name, None)  # so that the latest comes last
            settings[name] = text
        size = sum(len(name) + len(text) for name, text in settings.items())
        while size > MAX_SIZE:
            oldest = next(iter(settings))
            size -= len(oldest) + len(settings.pop(oldest))

    def restore(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        """Continue with the settings of an earlier orchestrator."""
        self.settings = {module: dict(texts) for module, texts in settings.items()}

    def apply(self, node: Node, instance: Instance) -> None:
        """Give a process the settings of its module."""
        settings = self.settings.get(node.name)
        if settings:
            is_active = instance.status in ACTIVE_NODES
            instance.reapplication = Reapplication.ASKED
            instance.held_until = 0.0 if is_active else self._context.now + PATIENCE
            self._context.do(
                ConfigureNode(node.name, instance.name, instance.incarnation, dict(settings))
            )

    def activated(self, node: Node, instance: Instance) -> None:
        """A process takes tasks now: it is given what it may not have taken before."""
        if instance.reapplication is Reapplication.POSTPONED:
            self.apply(node, instance)

    def answered(self, node: Node, event: ConfigurationAnswered) -> None:
        """A process has answered, or has not in time."""
        instance = node.instances.get(event.process)
        if instance is None or instance.reapplication is not Reapplication.ASKED:
            return
        early, instance.held_until = instance.held_until > 0, 0.0
        if early and self._must_repeat(node, event):
            instance.reapplication = Reapplication.POSTPONED
            if instance.status in ACTIVE_NODES:
                self.apply(node, instance)
            return
        instance.reapplication = Reapplication.NONE
        dropped = self._drop_unproven(node, event.error_code)
        name, names = NODE_CONFIGURED, _listed(dropped or self.settings.get(node.name, ()))
        text = f"the new process has the settings of the one before it: {names}"
        if event.error_code != ErrorCode.NO_ERROR:
            name = NODE_NOT_CONFIGURED
            text = (
                f"{names} could not be applied to the new process ({event.reason}); set what it "
                f"shall have by `sustainml configure {node.name}`"
            )
        self._context.history.node(node.name, name, instance.name, text, event.error_code)
        if dropped:
            self.apply(node, instance)

    def _drop_unproven(self, node: Node, error_code: int) -> list[str]:
        """After a refusal, forget the parameters that may be no settings; returns their names."""
        if error_code == ErrorCode.TIMEOUT:
            return []
        unproven = self._unproven.pop(node.name, set())
        if error_code == ErrorCode.NO_ERROR:
            return []
        settings = self.settings.get(node.name, {})
        dropped = [name for name in settings if name in unproven]
        for name in dropped:
            del settings[name]
        return dropped

    @staticmethod
    def _must_repeat(node: Node, event: ConfigurationAnswered) -> bool:
        """Whether an inactive process could not take its settings, or another one answered."""
        several = sum(instance.responsive for instance in node.instances.values()) > 1
        return event.error_code == ErrorCode.REJECTED or several


def _listed(names: Collection[str], most: int = 8) -> str:
    """Names of settings, for people."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(list(names)[:most]) + more
