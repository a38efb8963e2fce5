"""Answers to configuration texts where a module, or a front-end, does what nobody expects."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from sustainml_orchestrator.client import ClientError
from sustainml_orchestrator.compat.configuring import Configuring
from sustainml_orchestrator.core.ids import ErrorCode


def ask(answer: Any, **body: Any) -> dict[str, Any]:
    """The response to a request, where the module gives that answer."""

    async def run_slow(*_: object) -> Any:
        return answer

    calls: Any = SimpleNamespace(run_slow=run_slow, client=SimpleNamespace(configure_node=None))
    return asyncio.run(Configuring(calls).answer(body))["response"]  # type: ignore[no-any-return]


def nested(depth: int) -> Any:
    return {"hardwares": nested(depth - 1)} if depth else {}


#: JSON of Python has values that are no JSON.
NO_JSON = {"hardwares": float("nan"), "models": [float("inf")], "tooltip": {"x": float("-inf")}}


@pytest.mark.parametrize(
    "answer",
    [None, [], 3, "text", {}, {"hardwares": 3}, {"hardwares": [{}]}, NO_JSON, nested(700)],
)  # fmt: skip
@pytest.mark.parametrize(
    "text", ["hardwares", "modality", "model_from_goal, x, y", "hf_search, x, 3", "model_info, x"]
)
def test_a_module_of_ones_own_may_answer_anything(answer: Any, text: str) -> None:
    response = ask(answer, configuration=text, node_id=3, request_id=7)
    assert (response["node_id"], response["request_id"]) == (3, 7)
    value = json.loads(response["configuration"], parse_constant=lambda name: pytest.fail(name))
    assert isinstance(value, dict) and ("error" in value) is not response["success"]


@pytest.mark.parametrize(
    ("told", "goal"),
    [
        ({"goal": "image-classification"}, "image-classification"),
        *((each, None) for each in ({"goal": ""}, {"goal": 3}, [], None)),
        (ClientError(ErrorCode.TIMEOUT, "no answer"), None),
    ],
)
def test_a_search_is_for_the_ml_task_of_its_text(told: Any, goal: str | None) -> None:
    asked: list[Any] = []

    async def run_slow(*arguments: Any) -> Any:
        module, question = arguments[-2:]
        if module == "ml_model_metadata":
            assert question == {"query": "task", "text": "cats, dogs"}
            if isinstance(told, ClientError):
                raise told
            return told
        asked.append(question)
        return {"models": [{"model_id": "m"}]}

    calls: Any = SimpleNamespace(run_slow=run_slow, client=SimpleNamespace(configure_node=None))
    body = {"configuration": "hf_search, cats, dogs, 5", "node_id": 5}
    response = asyncio.run(Configuring(calls).answer(body))["response"]
    assert response["success"] and response["node_id"] == 5
    assert asked[0].get("goal") == goal and asked[0]["text"] == "cats, dogs"


def test_true_is_no_number() -> None:
    response = ask({"hardwares": ["a"]}, configuration="hardwares", node_id=True, request_id=True)
    assert response["node_id"] is not True and response["request_id"] == 0
