"""`/config_request`: questions of the front-end to the modules."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

from sustainml_orchestrator.client import ClientError
from sustainml_orchestrator.compat import configuration, dataset
from sustainml_orchestrator.compat.configuration import MODULES, Query
from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.rest.calls import Calls, Slow

#: Longest time that a module, or the profile of a data set, may take, in s.
_TIMEOUT = 10.0
#: The same for what a search can do without, in s.
_GOAL_TIMEOUT = 3.0
_NOTHING_FOUND = (
    "no model of the local catalogue is known for this text; say what data the model takes and "
    "what it answers, such as: sort photos of animals by species"
)
#: Codes of a module that does not answer at present.
_BUSY = (ErrorCode.TIMEOUT, ErrorCode.NODE_UNAVAILABLE, ErrorCode.RESOURCE_EXHAUSTED)
#: What an unexpected answer of a module may raise.
_UNUSABLE = (
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
)  # fmt: skip
#: Answers that are kept for the time in which a module is busy or away.
_KEPT = 256


class Configuring:
    """Answers to configuration texts.

    Older front-ends match the answers to their requests by their order for each node, newer ones
    by `request_id`: the order is kept for requests without it, and both ids are sent back.

    Args:
        calls: to the orchestrator.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._transactions = itertools.count(1)
        self._turns = {node_id: asyncio.Lock() for node_id in (*MODULES, None)}
        self._kept: dict[str, dict[str, Any]] = {}

    async def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request; never an error body."""
        text = body.get("configuration")
        if not isinstance(text, str):
            return self.refuse(body, "configuration must be a text, such as modality")
        if "request_id" in body:
            return await self._ask(body, text)
        node_id = _node_id(body, text)
        async with self._turns[node_id if node_id in MODULES else None]:
            return await self._ask(body, text)

    def refuse(self, body: dict[str, Any], reason: str) -> dict[str, Any]:
        """The answer to a request that makes no sense."""
        code = ErrorCode.INVALID_REQUEST
        return self._response(body, {"error": reason}, code, reason)

    async def _ask(self, body: dict[str, Any], text: str) -> dict[str, Any]:
        try:
            query = configuration.read(text, _integer(body.get("node_id")))
        except ValueError as error:
            return self.refuse(body, str(error))
        try:
            if query.configuration is None:
                found = await self._calls.run_slow(
                    Slow.PROFILE, _TIMEOUT, dataset.profile, query.path
                )
            else:
                found = await self._query(text, query)
        except ClientError as error:
            value = {**query.empty, "error": error.message}
            return self._response(body, value, error.code, error.message)
        except dataset.DatasetError as error:
            value = {**query.empty, "error": str(error)}
            return self._response(body, value, ErrorCode.NOT_FOUND, str(error))
        return self._response(body, found)

    async def _query(self, text: str, query: Query) -> dict[str, Any]:
        """Ask the module; while it is busy or away its last answer to this text holds."""
        module, asked = MODULES[query.node_id], query.configuration or {}
        if query.problem:
            asked = asked | await self._goal_of(query.problem)
        try:
            found = await self._calls.run_slow(
                Slow.QUESTION, _TIMEOUT, self._calls.client.configure_node, module, asked
            )
        except ClientError as error:
            if error.code in _BUSY and "query" in asked and text in self._kept:
                return self._kept[text]
            raise
        try:
            converted: dict[str, Any] = plain(query.convert(found))  # without NaN, which is no JSON
        except _UNUSABLE as error:
            reason = f"{module} gave an answer that this request cannot use ({error!r}); "
            reason += "answer configure as the reference module does"
            raise ClientError(ErrorCode.INTERNAL_ERROR, reason) from error
        if query.empty == {"models": []} and not converted.get("models"):  # a list that is empty
            raise ClientError(ErrorCode.NOT_FOUND, _NOTHING_FOUND)
        if len(self._kept) >= _KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[text] = converted
        return converted

    async def _goal_of(self, problem: str) -> dict[str, str]:
        """The ML task of a problem for a search; nothing where its text is unclear."""
        module, asked = MODULES[configuration.METADATA], {"query": "task", "text": problem}
        configure = self._calls.client.configure_node
        try:
            found = await self._calls.run_slow(
                Slow.QUESTION, _GOAL_TIMEOUT, configure, module, asked
            )
        except ClientError:  # a module of one's own may know no such query
            return {}
        goal = found.get("goal") if isinstance(found, dict) else None
        return {"goal": goal} if isinstance(goal, str) and goal else {}

    def _response(
        self, body: dict[str, Any], value: dict[str, Any],
        code: ErrorCode = ErrorCode.NO_ERROR, message: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        text = body.get("configuration")
        return {
            "message": message or "Configuration request sent successfully.",
            "response": {
                "node_id": _node_id(body, text if isinstance(text, str) else ""),
                "request_id": _integer(body.get("request_id")) or 0,
                "transaction_id": next(self._transactions),
                "success": code is ErrorCode.NO_ERROR,
                "err_code": int(code),
                "configuration": json.dumps(value, allow_nan=False),
            },
        }


def _node_id(body: dict[str, Any], text: str) -> int:
    """The node that the front-end named, else the one that the text is meant for."""
    named = _integer(body.get("node_id"))
    return configuration.addressed(text) if named is None else named


def _integer(value: Any) -> int | None:
    """Return an integer of JSON; None for anything else, also for true and false."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
