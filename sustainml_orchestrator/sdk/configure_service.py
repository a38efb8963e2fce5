"""The service `<module>/configure`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future
from sustainml_msgs.srv import Configure

from sustainml_orchestrator.contract import names, strict_json
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.sdk.task import ModuleError
from sustainml_orchestrator.sdk.user_code import clean, describe

#: Maximum number of pending calls, and maximum length of a configuration in characters.
MAX_PENDING = 16
MAX_TEXT = 1 << 20


async def in_thread(node: Node, call: Callable[[], Any]) -> Any:
    """Call what blocks in a thread of its own, so that the executor goes on; returns its result.

    Raises:
        Exception: whatever the call raised.
    """
    answered: Future = Future()

    def work() -> None:
        try:
            answer = call()
        except Exception as error:
            answer = error
        answered.set_result(answer)
        node.executor.create_task(lambda: None)  # wake the executor

    threading.Thread(target=work, name="configure", daemon=True).start()
    answer = await answered
    if isinstance(answer, Exception):
        raise answer
    return answer


class ConfigureService:
    """Serves `<module>/configure`; every call is answered in bounded time."""

    def __init__(
        self,
        node: Node,
        module: str,
        configure: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        """`configure` applies a configuration, in a thread, and answers in bounded time."""
        self._node = node
        self._configure = configure
        self._pending = 0
        node.create_service(
            Configure,
            names.configure_service(module),
            self._serve,
            qos_profile=names.SERVICE_QOS,
            # Several calls may be pending, each waiting for user code.
            callback_group=ReentrantCallbackGroup(),
        )

    async def _serve(
        self, request: Configure.Request, response: Configure.Response
    ) -> Configure.Response:
        response.transaction_id = request.transaction_id
        self._pending += 1
        try:
            response.configuration = await self._answer(request.configuration)
            response.success = True
        except ModuleError as error:
            response.error_code = int(error.error_code)
            response.message = clean(str(error))
        except Exception as error:
            response.error_code = int(ErrorCode.INTERNAL_ERROR)
            response.message = describe(error)
        finally:
            self._pending -= 1
        return response

    async def _answer(self, text: str) -> str:
        if self._pending > MAX_PENDING:
            raise ModuleError(
                f"{MAX_PENDING} configurations are pending already; try again",
                ErrorCode.RESOURCE_EXHAUSTED,
            )
        configuration = self._parse(text)
        answer = await in_thread(self._node, lambda: self._configure(configuration))
        try:
            return json.dumps(answer, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ModuleError(
                f"configure() returned a value that is not JSON: {error}", ErrorCode.INTERNAL_ERROR
            ) from error

    def _parse(self, text: str) -> dict[str, Any]:
        if len(text) > MAX_TEXT:
            raise ModuleError(f"the configuration is longer than {MAX_TEXT} characters")
        if not text.strip():
            return {}
        try:
            configuration = strict_json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModuleError(f"the configuration is not valid JSON: {error}") from error
        if not isinstance(configuration, dict):
            raise ModuleError('the configuration is not a JSON object; write {"key": value}')
        return configuration
