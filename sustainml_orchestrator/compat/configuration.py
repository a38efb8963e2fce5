"""The texts of `/config_request`, and the queries to modules that answer them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sustainml_orchestrator.compat.requests import NO_CHOICE
from sustainml_orchestrator.contract import strict_json

HARDWARE, METADATA, MODELS = 3, 4, 5
MODULES = {HARDWARE: "hw_resources", METADATA: "ml_model_metadata", MODELS: "ml_model_provider"}
#: Characters of a problem that its ML task is told by.
_LONGEST_PROBLEM = 2000
_MODEL_CONFIG = "__MODEL_CONFIG__:"
#: The front-end asks for these models by this name, which is no task.
_U_NET = "U_NET_MODELS"


@dataclass(frozen=True)
class Query:
    """What a module is asked, and how its answer reads for the front-end.

    Attributes:
        node_id: of the node that the front-end addresses.
        configuration: sent to the `configure` of that module; None where a local file is meant.
        empty: the answer when nothing is known.
        convert: turns the answer of the module into that for the front-end.
        path: of the file to profile.
        problem: a text in free words; the answer is for its ML task, where that is clear.
    """

    node_id: int
    configuration: dict[str, Any] | None
    empty: dict[str, Any] = field(default_factory=dict)
    convert: Callable[[Mapping[str, Any]], dict[str, Any]] = dict
    path: str = ""
    problem: str = ""


def read(text: str, node_id: int | None) -> Query:
    """What a text asks for.

    Args:
        text: such as `metrics, cover_tag: image`; a JSON object goes to the module as it is.
        node_id: which node the front-end addresses; None = not told.

    Raises:
        ValueError: the text is unknown; the message names those that are.
    """
    head, _, rest = text.strip().partition(",")
    head, rest = head.strip(), rest.strip()
    reader = _READERS.get(head)
    if reader is not None:
        return reader(rest)
    if text.lstrip().startswith("{"):
        return _settings(text, node_id)
    raise ValueError(f"the request {text[:60]!r} is unknown; known are {', '.join(_READERS)}")


def _settings(text: str, node_id: int | None) -> Query:
    """Settings of a module, as JSON."""
    try:
        value = strict_json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the configuration is no JSON: {str(error)[:200]}") from error
    if node_id not in MODULES:
        known = ", ".join(f"{number} ({name})" for number, name in MODULES.items())
        raise ValueError(f"node_id must be one of {known} to configure it")
    return Query(node_id, value)


def _hardwares(_: str) -> Query:
    return Query(HARDWARE, {"query": "hardwares"}, {"hardwares": ""}, _pick("hardwares"))


def _modality(_: str) -> Query:
    empty = {"modalities": "", "goals": ""}
    return Query(METADATA, {"query": "modality"}, empty, _pick(*empty))


def _metrics(rest: str) -> Query:
    modality = _chosen(rest.removeprefix("cover_tag:").strip())
    asked = {"query": "metrics", "modality": modality}
    return Query(METADATA, asked, {"metrics": ""}, _pick("metrics"))


def _goal(_: str) -> Query:
    return Query(MODELS, {"query": "goals"}, {"goals": ""}, _pick("goals"))


def _problem_from_modality(rest: str) -> Query:
    def convert(answer: Mapping[str, Any]) -> dict[str, Any]:
        return {"problems": answer.get("goals", ""), "goals": answer.get("goals", "")}

    asked = {"query": "goals", "modality": rest}
    return Query(METADATA, asked, {"problems": "", "goals": ""}, convert)


def _model_from_goal(rest: str) -> Query:
    parts = [_chosen(part.strip()) for part in rest.split(",")]  # each may be empty
    goal, family = parts[0], parts[-1] if len(parts) > 1 else ""
    if goal == _U_NET:

        def names(answer: Mapping[str, Any]) -> dict[str, Any]:
            found = [str(each.get("model_id", "")) for each in answer.get("models", ())]
            return {"models": ", ".join(n for n in found if "unet" in n.lower().replace("-", ""))}

        asked: dict[str, Any] = {"query": "search", "text": "U-Net", "limit": 100}
        return Query(MODELS, asked, {"models": ""}, names)
    asked = {"query": "models", "goal": goal, "type": family}
    return Query(MODELS, asked, {"models": ""}, _pick("models"))


def _model_info(rest: str) -> Query:
    return Query(MODELS, {"query": "model_info", "model": rest}, {"tooltip": ""})


def _search(rest: str) -> Query:
    """`free text, 10`; the free text may hold commas."""
    text, comma, number = rest.rpartition(",")
    if not comma or not number.strip().isdecimal():
        text, number = rest, "10"
    text = text.strip()
    if text.startswith(_MODEL_CONFIG):
        model = text.removeprefix(_MODEL_CONFIG).strip()
        return Query(
            MODELS, {"query": "model_info", "model": model}, {"tooltip": ""}, _pick("tooltip")
        )
    limit = min(max(1, int(number[-6:])), 1000)
    asked: dict[str, Any] = {"query": "search", "text": text, "limit": limit}
    return Query(MODELS, asked, {"models": []}, problem=text[:_LONGEST_PROBLEM])


def _dataset(rest: str) -> Query:
    texts = dict.fromkeys(("description", "topic", "profile"), "")
    empty = {**texts, "keywords": [], "applications": []}
    return Query(METADATA, None, empty, path=rest)


def _chosen(text: str) -> str:
    return "" if text == NO_CHOICE else text


def _pick(*keys: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The texts under these keys, of an answer that holds lists beside them."""
    return lambda answer: {key: answer.get(key, "") for key in keys}


_READERS: dict[str, Callable[[str], Query]] = {
    "hardwares": _hardwares,
    "modality": _modality,
    "in_out_modalities": _modality,
    "metrics": _metrics,
    "goal": _goal,
    "problem_from_modality": _problem_from_modality,
    "model_from_goal": _model_from_goal,
    "model_info": _model_info,
    "hf_search": _search,
    "dataset_path": _dataset,
}


def addressed(text: str) -> int:
    """The node that a text is meant for, where the request does not say so."""
    try:
        return read(text, None).node_id
    except ValueError:
        return METADATA
