"""What the earlier modules ask for, read from `key:value` strings and JSON objects."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6,
            "min": 60.0, "minute": 60.0, "minutes": 60.0}  # fmt: skip
_NUMBER = re.compile(r"[<>=~\s]*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([a-zA-Z%µ]*)\s*$")
#: What app_requirements asks at least of, beside plain quality.
_METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc", "map", "mean_iou")
#: Licences that allow commercial use.
PERMISSIVE = frozenset({"apache-2.0", "mit", "bsd-3-clause"})


@dataclass(frozen=True)
class Requirements:
    """Constraints and wishes; an empty or zero field asks nothing."""

    goal: str = ""  #: ML task named by the user
    family: str = ""
    selected: str = ""  #: model asked for by name
    restrains: tuple[str, ...] = ()  #: models never to propose
    licences: frozenset[str] = frozenset()
    max_latency_s: float = 0.0
    min_throughput: float = 0.0  #: inferences per second, one at a time
    min_token_rate: float = 0.0  #: tokens per second, of what generates text
    text_tokens: float = 0.0  #: of a text that goes in
    recording_s: float = 0.0  #: length of a recording, in s
    voxels: tuple[int, ...] = ()  #: of a volume, along its axes
    max_first_token_s: float = 0.0  #: until the first token of what generates text
    real_time: bool = False  #: it must keep up with what it sees or hears
    interactive_s: float = 0.0  #: assumed where a person waits and states no time
    interactive_rate: float = 0.0  #: tokens per second, likewise; 0 = those of a reader
    most_parameters: float = 0.0  #: of a model for which more bring nothing; 0 = any
    corpus_size: float = 0.0  #: things about which questions are asked
    training: bool = False  #: a model is to be trained
    number: bool = False  #: what comes out is a number
    battery: bool = False  #: it draws on a battery
    max_power_w: float = 0.0
    min_quality: float = 0.0  #: 0..1, a bound
    accuracy: float = 0.0  #: 0..1, a wish: it concerns the user's data, not a benchmark's
    deployment: str = ""  #: context of use, where no hardware is required
    languages: frozenset[str] = frozenset()  #: ISO 639-1 codes that the model must know
    into: frozenset[str] = frozenset()  #: languages into which to translate
    topics: frozenset[str] = frozenset()  #: what of its task the model must do
    modality: str = ""  #: kind of data
    critical: bool = False  #: a wrong answer may harm people
    model_size: float = 0.0  #: parameters asked for, met as well as the hardware allows
    models: tuple[str, ...] = ()  #: names of models or families in the text, as they stand there
    weights: str = ""  #: precision of the weights asked for
    resolution: tuple[int, int] = (0, 0)  #: of the largest pictures named, in pixels
    optimise: bool = False  #: the user wants less carbon than the baseline's
    desired_carbon_kg: float = 0.0

    @property
    def longest_s(self) -> float:
        """The longest time that an inference may take, in s; 0 = any."""
        return longest_s(self.max_latency_s, self.min_throughput)

    def shared(self, among: float) -> Requirements:
        """What each of some devices has to do of the work."""
        return replace(self, min_throughput=self.min_throughput / among)


def longest_s(max_latency_s: float, min_throughput: float) -> float:
    """The longest time of an inference by both, one at a time, in s; 0 = any."""
    every = 1.0 / min_throughput if min_throughput else 0.0
    return min(filter(None, (max_latency_s, every)), default=0.0)


def parse(lines: Iterable[str], extra: Mapping[str, Any]) -> Requirements:
    """Read requirements; what is not understood is left out."""
    lines = list(lines)
    # Of several lines with one key the first counts: they are sorted by how much they tell.
    pairs = dict(reversed(list(_pairs(lines))))
    licence = pairs.get("licence", pairs.get("license", ""))
    permissive = licence in {"permissive", "commercial", "open", "open-source"}
    found = Requirements(
        goal=text(extra, "goal"),
        family=text(extra, "model_family") or text(extra, "type"),
        selected=text(extra, "model_selected"),
        restrains=names(extra.get("model_restrains")),
        licences=PERMISSIVE if permissive else frozenset({licence} - {""}),
        max_latency_s=_latency(pairs),
        min_throughput=_plain(pairs, "min_throughput", "throughput"),
        min_token_rate=_plain(pairs, "min_token_rate"),
        text_tokens=_plain(pairs, "text_length"),
        recording_s=_plain(pairs, "recording_length"),
        voxels=_voxels(pairs.get("voxels", "")),
        max_first_token_s=_plain(pairs, "max_first_token"),
        real_time=pairs.get("real_time") == "true",
        max_power_w=_plain(pairs, "max_power"),
        min_quality=_share(pairs, "min_quality", "quality"),
        accuracy=max(_share(pairs, f"min_{metric}", metric) for metric in _METRICS),
        deployment=_deployment(pairs),
        languages=frozenset(value for key, value in _pairs(lines) if key == "language"),
        into=frozenset(value for key, value in _pairs(lines) if key == "language_to"),
        topics=_topics(value for key, value in _pairs(lines) if key == "topic"),
        modality=pairs.get("modality", ""),
        critical=pairs.get("safety") == "critical",
        model_size=_plain(pairs, "model_size"),
        models=tuple(value for key, value in _pairs(lines) if key == "model"),
        weights=pairs.get("weights", ""),
        resolution=_resolution(value for key, value in _pairs(lines) if key == "resolution"),
        optimise=any(
            extra.get(f"optimize_carbon_footprint_{how}") is True for how in ("auto", "manual")
        ),
        desired_carbon_kg=number(extra, "desired_carbon_footprint"),
    )
    return _of_use(found, pairs)


def _of_use(found: Requirements, pairs: Mapping[str, str]) -> Requirements:
    """With what the use implies: whether a person waits, and the source of power."""
    return replace(
        found,
        interactive_s=_plain(pairs, "interactive"),
        interactive_rate=_plain(pairs, "interactive_rate"),
        most_parameters=_plain(pairs, "most_parameters"),
        corpus_size=_plain(pairs, "corpus_size"),
        battery=pairs.get("power_source") == "battery",
        training="training" in pairs,
        number=pairs.get("output") == "number",
    )


def _topics(values: Iterable[str]) -> frozenset[str]:
    """What of its task a model must do: of slices of a volume what pictures ask for."""
    topics = frozenset(values)
    return topics - {"volumes", "slices"} if "slices" in topics else topics


def _deployment(pairs: Mapping[str, str]) -> str:
    named = pairs.get("deployment", pairs.get("platform", ""))
    return named or ("battery" if pairs.get("power_source") == "battery" else "")


def _resolution(values: Iterable[str]) -> tuple[int, int]:
    found = (re.fullmatch(r"(\d{1,6}) ?x ?(\d{1,6})", value) for value in values)
    sizes = [(int(match[1]), int(match[2])) for match in found if match]
    return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))


def _voxels(value: str) -> tuple[int, ...]:
    sides = re.fullmatch(r"(\d{1,6})x(\d{1,6})x(\d{1,6})", value)
    return tuple(map(int, sides.groups())) if sides else ()


def memory_limit(constraints: Any) -> tuple[float, str]:
    """The limit in MiB (0 = none) and of which memory: ram, flash, or empty for all.

    The message has whole MiB, rounded up; the exact limit is in its extra_data, where its module
    tells it.
    """
    whole = float(constraints.max_memory_footprint)
    told = json_object(constraints.extra_data)
    exact = number(told, "max_memory_footprint_mib")
    return exact if math.ceil(exact) == whole else whole, text(told, "memory_kind")


def devices(constraints: Any) -> float:
    """How many devices share the work."""
    return max(1.0, number(json_object(constraints.extra_data), "devices"))


def flash_limit(constraints: Any) -> float:
    """The limit of flash in MiB beside that of RAM; 0 = none."""
    return number(json_object(constraints.extra_data), "max_flash_mib")


def not_in_catalogue(constraints: Any) -> list[str]:
    """What hw_constraints says of names of hardware that the catalogue lacks."""
    told = json_object(constraints.extra_data).get("not_in_catalogue")
    return [line for line in told if isinstance(line, str)] if isinstance(told, list) else []


def json_object(data: bytes | Iterable[int]) -> dict[str, Any]:
    """The JSON object in an `extra_data` field; empty when there is none or it is unreadable."""
    try:
        content = json.loads(bytes(data) or b"{}")
    except (ValueError, RecursionError):  # ValueError: no UTF-8, no JSON, a number too long
        return {}
    return content if isinstance(content, dict) else {}


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """ASCII JSON for an `extra_data` field; figures that JSON cannot hold become null."""
    finite = {
        k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in content.items()
    }
    return json.dumps(finite).encode()


def text(extra: Mapping[str, Any], key: str) -> str:
    """A string of a JSON object, stripped; empty when absent or of another type."""
    value = extra.get(key)
    return value.strip() if isinstance(value, str) else ""


def quoted(name: str, limit: int = 80) -> str:
    """A name for an error sentence, cut where it is too long to read."""
    return repr(name if len(name) <= limit else name[:limit] + " ...")


def number(extra: Mapping[str, Any], key: str) -> float:
    """A positive finite number of a JSON object, else 0."""
    value = extra.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    return float(value) if 0 < value < 1e300 else 0.0


def names(value: Any) -> tuple[str, ...]:
    """A list of names, or one name, or names separated by commas."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        return ()
    stripped = (item.strip() for item in value if isinstance(item, str))
    return tuple(dict.fromkeys(item for item in stripped if item))


def _pairs(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        key, colon, value = line.partition(":")
        if colon:
            yield re.sub(r"[\s-]+", "_", key.strip().casefold()), value.strip().casefold()


def _latency(pairs: Mapping[str, str]) -> float:
    for key in (
        "max_latency_s",
        "max_latency_ms",
        "max_latency",
        "latency_s",
        "latency_ms",
        "latency",
    ):
        match = _NUMBER.match(pairs.get(key, ""))
        if match:
            unit = match[2].casefold() or ("ms" if key.endswith("_ms") else "s")
            return float(match[1]) * _SECONDS.get(unit, 0.0)
    return 0.0


def _plain(pairs: Mapping[str, str], *keys: str) -> float:
    """A number in the unit of the interface."""
    matches = (_NUMBER.match(pairs.get(key, "")) for key in keys)
    return next((float(match[1]) for match in matches if match and not match[2]), 0.0)


def _share(pairs: Mapping[str, str], *keys: str) -> float:
    for key in keys:
        match = _NUMBER.match(pairs.get(key, ""))
        if match and match[2] in ("", "%"):
            value = float(match[1])
            return min(1.0, value / 100.0 if match[2] or value > 1.0 else value)
    return 0.0
