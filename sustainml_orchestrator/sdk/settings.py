"""Settings of a module: what `configure` and `ros2 param set` set alike.

A scalar setting that the author's class declares is a ROS parameter of the node. Whichever door a
value comes through, the author's `configure` accepts or refuses it, and both doors show it then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.parameter import Parameter

from sustainml_orchestrator.contract import parameters
from sustainml_orchestrator.contract.parameters import ParameterError, Spec
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.sdk.configure_service import in_thread
from sustainml_orchestrator.sdk.task import ModuleError
from sustainml_orchestrator.sdk.workers import Workers

_BUSY = "another configuration is being applied; try again"


class Settings:
    """The declared settings of one module.

    Calls wait for user code, for a bounded time: they must not come from the executor's thread.

    Args:
        table: the settings declared by the author's class.
        stored: the configuration handed to `configure` after each `on_start`; changed in place.
        workers: the workers to be configured, or None while the module is inactive; it raises
            ModuleError while they cannot be configured.
        timeout: maximum time for an answer of user code, in s.

    Raises:
        ParameterError: a value from the command line or a file is not permitted.
    """

    def __init__(
        self,
        node: Node,
        module: str,
        table: Iterable[Spec],
        stored: dict[str, Any],
        workers: Callable[[], Workers | None],
        timeout: float,
    ) -> None:
        self._node = node
        self._module = module
        self._specs = {spec.name: spec for spec in table}
        self._stored = stored
        self._workers = workers
        self._timeout = timeout
        self._lock = threading.RLock()
        self._mirroring = False
        values = parameters.declare(node, self._specs.values())
        defaults = {name: spec.default for name, spec in self._specs.items()}
        stored.update({k: value for k, value in values.items() if value != defaults[k]})
        node.add_on_set_parameters_callback(self._set)

    def configure(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Apply a configuration; returns the answer of user code.

        Raises:
            ModuleError: it was refused, or the module is not active and must be to answer.
        """
        if not self._lock.acquire(timeout=self._timeout):
            raise ModuleError(_BUSY, ErrorCode.RESOURCE_EXHAUSTED)
        try:
            answer = self._apply(configuration)
            self._mirror({**configuration, **answer})
            return answer
        finally:
            self._lock.release()

    def _apply(self, configuration: dict[str, Any]) -> dict[str, Any]:
        workers = self._workers()
        if workers is not None:
            return workers.configure(configuration, self._timeout)
        if not self._specs or set(configuration) - set(self._specs):
            text = f"{self._module} is not active; start it first"
            raise ModuleError(text, ErrorCode.REJECTED)
        try:
            configuration = {k: self._specs[k].checked(v) for k, v in configuration.items()}
        except ParameterError as error:
            raise ModuleError(str(error)) from error
        self._stored.update(configuration)
        return {name: self._node.get_parameter(name).value for name in self._specs} | configuration

    def _mirror(self, values: dict[str, Any]) -> None:
        """Show in the parameters what user code has accepted."""
        changed = []
        for name in set(self._specs) & set(values):
            with suppress(ParameterError):
                value = self._specs[name].checked(values[name])
                if value != self._node.get_parameter(name).value:
                    changed.append(Parameter(name, value=value))
        self._mirroring = True
        try:
            if changed:
                self._node.set_parameters(changed)
        finally:
            self._mirroring = False

    def _set(self, changes: list[Parameter]) -> SetParametersResult:
        """Ask user code whether the values of parameters may be set."""
        values = {p.name: p.value for p in changes if p.name in self._specs}
        if not values:
            return SetParametersResult(successful=True)
        if not self._lock.acquire(timeout=self._timeout):
            return SetParametersResult(successful=False, reason=_BUSY)
        try:
            if not self._mirroring:
                self._apply(values)
        except ModuleError as error:
            return SetParametersResult(successful=False, reason=str(error))
        finally:
            self._lock.release()
        return SetParametersResult(successful=True)


def serve_in_threads(node: Node) -> None:
    """Have the services that set parameters wait for user code in threads, not in the executor."""
    for service in node.services:
        if "/set_parameters" in service.srv_name:
            service.callback = _threaded(node, service.callback)
            service.callback_group = ReentrantCallbackGroup()


def _threaded(node: Node, callback: Callable[..., Any]) -> Callable[..., Any]:
    async def serve(request: Any, response: Any) -> Any:
        return await in_thread(node, lambda: callback(request, response))

    return serve
