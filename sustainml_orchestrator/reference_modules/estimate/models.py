"""The catalogue of models as typed values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate.requirements import number, text
from sustainml_orchestrator.reference_modules.estimate.sources import UNCHECKED, origin

BYTES_PER_PARAMETER = {"fp32": 4.0, "fp16": 2.0, "int8": 1.0, "int4": 0.5}
#: Activations with weights of a precision: those of int4 weights are kept in fp16.
BYTES_PER_ACTIVATION = {**BYTES_PER_PARAMETER, "int4": 2.0}
#: Kinds of operations, by which runtimes differ in what they execute.
OPERATORS = ("convolution", "convolution-3d", "depthwise", "linear", "layer-norm", "attention",
             "deformable-attention", "recurrent", "trees", "graph", "search")  # fmt: skip
#: Room for activations and runtime where the activations are unknown, as a share of the weights.
ACTIVATION_SHARE = 0.2
#: Buffers of the runtime beside the activations, as a share of these.
RUNTIME_SHARE = 0.1
#: Tokens for whose keys and values a generator of text keeps room.
CONTEXT_TOKENS = 2048
MIB = 2.0**20
#: Ready as it is; to be fine-tuned on one's own labels; to be trained on one's own data.
USES = ("ready", "fine-tune", "train")
#: Of a model that knows about a hundred languages, all those of Europe among them.
MANY = "many"
#: Operations of one pass where they are not known: of a transformer with 7 layers, 8 in each.
TYPICAL_LAUNCHES = 60


#: Words of a search that no model is looked for by.
_FUNCTION_WORDS = {
    "a", "an", "and", "at", "by", "for", "from", "i", "in", "into", "is", "it", "my", "of", "on",
    "or", "our", "that", "the", "this", "to", "want", "with",
}  # fmt: skip
#: What a name that is searched for counts beside the ML task.
_OF_NAME = 0.9
_PLAIN = re.compile(r"[a-z0-9]+")
_SIDES = re.compile(r"\b(\d+) x (\d+)\b")


@dataclass(frozen=True)
class Workload:
    """What one inference asks of a device."""

    flops: float  #: floating-point operations, two per multiply-accumulate
    parameters: float  #: weights that must be held in memory
    precisions: tuple[str, ...]  #: in which the model can be had, keys of BYTES_PER_PARAMETER
    passes: int = 1  #: sequential runs over the weights
    pass_parameters: float = 0.0  #: weights read in each run; 0 = all
    depthwise: bool = False  #: built on depthwise convolutions
    launches: int = TYPICAL_LAUNCHES  #: operations of a pass, one launched after the other
    operators: tuple[str, ...] = ()  #: of OPERATORS; none = unknown
    peak_activations: float = 0.0  #: most values held at a time beside the weights; 0 = unknown
    kv_per_token: int = 0  #: keys and values of one token, in values
    autoregressive: bool = False  #: one pass over the input, then one for each token
    only_on: str = ""  #: in the names of the devices on which its licence allows it; empty = all
    name: str = field(default="", compare=False)  #: of the model, where it is known

    def working_mib(self, precision: str) -> float:
        """Memory in MiB beside the weights: activations, keys and values, and the runtime."""
        if not self.peak_activations:
            return self.weights_mib(precision) * ACTIVATION_SHARE
        values = self.peak_activations * BYTES_PER_ACTIVATION[precision]
        cached = self.kv_per_token * CONTEXT_TOKENS * 2.0  # fp16
        return (values * (1.0 + RUNTIME_SHARE) + cached) / MIB

    def in_precision(self, precision: str) -> Workload:
        """Itself in one precision only; in none where it cannot be had in it."""
        return replace(self, precisions=tuple(p for p in self.precisions if p == precision))

    @property
    def prefill_flops(self) -> float:
        """Operations of the pass over the input, before the first token is generated."""
        if not self.autoregressive:
            return 0.0
        return max(0.0, self.flops - 2.0 * (self.pass_parameters or self.parameters) * self.passes)

    def weights_mib(self, precision: str) -> float:
        """Memory of the weights in MiB."""
        return self.parameters * BYTES_PER_PARAMETER[precision] / MIB

    def weights_read(self, precision: str) -> float:
        """Bytes of weights read in each pass."""
        return (self.pass_parameters or self.parameters) * BYTES_PER_PARAMETER[precision]

    @classmethod
    def from_properties(cls, properties: Mapping[str, Any]) -> Workload:
        """Read what `Model.properties` wrote.

        Raises:
            ValueError: a figure is missing, no number, or not positive.
        """
        try:
            parameters = float(properties["parameters"])
            flops = float(properties["flops"])
            passes = int(properties.get("passes", 1))
            pass_parameters = float(properties.get("pass_parameters", 0.0))
            launches = int(properties.get("launches", TYPICAL_LAUNCHES))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"model_properties lacks a usable figure: {error}") from error
        if not (0 < parameters < 1e15 and 0 < flops < 1e24 and passes > 0 and pass_parameters >= 0):
            raise ValueError("parameters, flops and passes in model_properties must be positive")
        if not 0 <= launches < 10**9:
            raise ValueError("launches in model_properties must be 0 or more")
        named = properties.get("precisions") or ["fp32"]
        known = tuple(p for p in BYTES_PER_PARAMETER if isinstance(named, list) and p in named)
        if not known:
            raise ValueError(f"no known precision in {named!r}: {', '.join(BYTES_PER_PARAMETER)}")
        depthwise = properties.get("depthwise") is True
        base = (flops, parameters, known, passes, pass_parameters, depthwise, launches)
        return cls(*base, **_optional(properties))


def _optional(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What a model may say of itself beside its size; what is no such figure counts as unsaid.

    Raises:
        ValueError: an operator is unknown.
    """
    named = properties.get("operators") or []
    unknown = [name for name in named if name not in OPERATORS] if isinstance(named, list) else []
    if unknown:
        raise ValueError(f"unknown operator {unknown[0]!r} in model_properties")
    return {
        "operators": tuple(named) if isinstance(named, list) else (),
        "peak_activations": number(properties, "peak_activations"),
        "kv_per_token": int(min(number(properties, "kv_per_token"), 1e9)),
        "autoregressive": properties.get("autoregressive") is True,
        "only_on": text(properties, "only_on"),
    }


@dataclass(frozen=True)
class Figure:
    """One published quality figure and its place between 0 and 1."""

    value: float
    metric: str
    benchmark: str
    quality: float  #: 0..1, comparable within a task
    attained: float  #: 0..1, beside what users ask in per cent: the plain percentage, else quality


@dataclass(frozen=True)
class Model:
    """One entry of the catalogue."""

    name: str
    family: str
    workload: Workload
    figures: Mapping[str, Figure]  #: by task
    input: str
    licence: str
    source: tuple[str, ...]
    flops_from: str
    note: str
    checked: str = ""  #: day on which the figures were compared with the source; empty = never
    use: str = USES[0]  #: what has to be done before it solves a problem
    languages: tuple[str, ...] = ()  #: ISO 639-1 codes, or MANY; none = not about language

    to: tuple[str, ...] = ()  #: languages into which it translates; none = all
    data: tuple[str, ...] = ()  #: kinds of data that it takes; none = what its task takes
    topic: str = ""  #: all it can do within its tasks; empty = anything
    weak: frozenset[str] = frozenset()  #: what of its tasks it does poorly
    lacks: frozenset[str] = frozenset()  #: what of its tasks it cannot do
    languages_of: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  #: of a task, if fewer

    def speaks(self, codes: Iterable[str], into: Iterable[str] = (), task: str = "") -> bool:
        """Whether it knows every one of some languages, and translates into some."""
        # What it translates into it does not translate from.
        if self.to and (not set(into) <= set(self.to) or set(self.to) & ({*codes} - {*into})):
            return False
        known = self.languages_of.get(task, self.languages)
        return not known or MANY in known or set(codes) <= set(known)

    @property
    def path(self) -> str:
        """Where to get it: the Hugging Face page where the name is an id, else its first source."""
        if "/" in self.name and " " not in self.name and not self.name.startswith("PatchTST"):
            return f"https://huggingface.co/{self.name}"
        for source in self.source:
            if source.startswith("https://"):
                return source.split(" ")[0]
        return self.source[0].replace("arXiv:", "https://arxiv.org/abs/")

    @property
    def picture_side(self) -> int:
        """The longer side of the pictures that it takes, in pixels; 0 where it takes none."""
        sides = _SIDES.search(self.input)
        return max(map(int, sides.groups())) if sides else 0

    @property
    def summary(self) -> str:
        """One sentence about it, for people."""
        figures = ", ".join(
            f"{f.metric} {f.value:g} on {f.benchmark} ({task})" for task, f in self.figures.items()
        )
        work = self.workload
        return (
            f"{self.name}: {self.family}, {work.parameters / 1e6:.3g} M parameters, "
            f"{work.flops / 1e9:.3g} GFLOP per inference ({self.input}); {figures}; "
            f"licence {self.licence}; source {origin(self.source, self.checked)}"
        )

    def properties(self, task: str) -> dict[str, Any]:
        """What is known of it, for `MLModel.model_properties`."""
        figure = self.figures.get(task)
        work = self.workload
        return {
            "family": self.family,
            "parameters": work.parameters,
            "flops": work.flops,
            "flops_from": self.flops_from,
            "passes": work.passes,
            "pass_parameters": work.pass_parameters,
            "depthwise": work.depthwise,
            "launches": work.launches,
            "operators": list(work.operators),
            "peak_activations": work.peak_activations,
            "kv_per_token": work.kv_per_token,
            "autoregressive": work.autoregressive,
            "only_on": work.only_on,
            "use": self.use,
            "languages": list(self.languages),
            "precisions": list(work.precisions),
            "weights_mib": {p: round(work.weights_mib(p), 3) for p in work.precisions},
            "input": self.input,
            "quality": figure.quality if figure else None,
            "figure": figure.value if figure else None,
            "metric": figure.metric if figure else None,
            "benchmark": figure.benchmark if figure else None,
            "licence": self.licence,
            "source": list(self.source),
            "checked": self.checked or UNCHECKED,
            "note": self.note,
        }


class ModelCatalogue:
    """All models, found by name or task."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        """Read the parsed `models.yaml`.

        Raises:
            ValueError: an entry is incomplete, naming it and the key.
        """
        self._aliases: dict[str, str] = dict(data.get("task_aliases", {}))
        self.models = tuple(_read(entry, data["benchmarks"]) for entry in data["models"])
        self._by_name = {model.name.casefold(): model for model in self.models}
        for model in self.models:
            self._by_name.setdefault(model.name.rpartition("/")[2].casefold(), model)

    @property
    def tasks(self) -> list[str]:
        """Every task with at least one model, sorted."""
        return sorted({task for model in self.models for task in model.figures})

    def task(self, name: str) -> str:
        """The catalogue's word for a task: aliases resolved, case and underscores ignored."""
        plain = name.strip().casefold().replace("_", "-").replace(" ", "-")
        return self._aliases.get(plain, plain)

    def find(self, name: str) -> Model | None:
        """The model of that name, with or without its owner, whatever the case."""
        return self._by_name.get(name.strip().casefold())

    def named(self, name: str) -> tuple[Model, ...]:
        """The models that a name in plain words means: one, or those of a family.

        "yolov8" begins the words of yolov8n, "llama 3 1 70b" stands in Llama-3.1-70B-Instruct.
        """
        wanted = "".join(_PLAIN.findall(name.casefold()))
        return tuple(
            model
            for model in self.models
            if wanted and any(each.startswith(wanted) for each in _beginnings(model.name))
        )

    def search(self, words: str, count: int = 10, goal: str = "") -> list[tuple[Model, float]]:
        """Models whose name, tasks, family and benchmarks hold words of a text, best first.

        The number is the share of the words found, 0..1; where an ML task `goal` is named, half of
        it is whether the model is for that task, or else bears a name that is searched for.
        """
        wanted = set(_words(words)) - _FUNCTION_WORDS
        of_names = wanted - set(_words(" ".join(self.tasks)))
        shares = []
        for model in self.models:
            benchmarks = (figure.benchmark for figure in model.figures.values())
            about = {*_words(" ".join((model.name, model.family, *model.figures, *benchmarks)))}
            share = len(wanted & about) / max(1, len(wanted))
            if goal:
                is_named = not of_names.isdisjoint(_words(model.name))
                share = (share + (1.0 if goal in model.figures else _OF_NAME * is_named)) / 2
            if share:
                shares.append((model, round(share, 3)))
        return sorted(shares, key=lambda pair: (-pair[1], pair[0].workload.flops))[:count]

    def similar(self, name: str, count: int = 3) -> list[str]:
        """Names close to an unknown one."""
        close = difflib.get_close_matches(name.strip().casefold(), self._by_name, count * 2, 0.4)
        return list(dict.fromkeys(self._by_name[key].name for key in close))[:count]


def _beginnings(name: str) -> Iterable[str]:
    """What is left of a name from each of its words on, without punctuation."""
    words = _PLAIN.findall(name.casefold())
    return ("".join(words[at:]) for at in range(len(words)))


def _words(text: str) -> list[str]:
    return [word.removesuffix("s") for word in re.findall(r"[a-z0-9]+", text.casefold())]


def _use(name: str) -> str:
    if name not in USES:
        raise ValueError(f"use {name!r} is none of {', '.join(USES)}")
    return name


def _languages(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _read(entry: Mapping[str, Any], benchmarks: Mapping[str, Any]) -> Model:
    try:
        figures = {}
        for task, (key, value) in entry["tasks"].items():
            ruler = benchmarks[key]
            share = (value - ruler["zero"]) / (ruler["one"] - ruler["zero"])
            quality = round(min(1.0, max(0.0, share)), 4)
            # A ruler that ends elsewhere says that the benchmark is easier, or no percentage.
            attained = value / 100 if ruler["one"] == 100 else quality
            figures[task] = Figure(float(value), ruler["metric"], ruler["data"], quality, attained)
        return Model(
            name=entry["name"],
            family=entry["family"],
            workload=replace(Workload.from_properties(entry), name=entry["name"]),
            figures=figures,
            input=entry["input"],
            licence=entry["licence"],
            source=tuple(entry["source"]),
            flops_from=entry["flops_from"],
            note=entry.get("note", ""),
            checked=str(entry.get("checked", "")),
            use=_use(entry.get("use", USES[0])),
            languages=_languages(entry.get("languages", [])),
            to=tuple(entry.get("to", ())),
            data=tuple(entry.get("data", ())),
            topic=entry.get("topic", ""),
            weak=frozenset(entry.get("weak", ())),
            lacks=frozenset(entry.get("lacks", ())),
            languages_of={t: tuple(c) for t, c in entry.get("languages_of", {}).items()},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"model {entry.get('name', '?')}: {catalog.mistake(error)}") from error
