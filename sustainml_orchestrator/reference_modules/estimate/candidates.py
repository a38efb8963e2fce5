"""Which models meet every constraint, where each would run best, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from sustainml_orchestrator.reference_modules.estimate.devices import Device
from sustainml_orchestrator.reference_modules.estimate.models import Model, Workload
from sustainml_orchestrator.reference_modules.estimate.pieces import Thing, pieces
from sustainml_orchestrator.reference_modules.estimate.placement import Limits, place
from sustainml_orchestrator.reference_modules.estimate.requirements import longest_s
from sustainml_orchestrator.reference_modules.estimate.roofline import Estimate

DEFAULT_FLOPS_WEIGHT = 0.05
#: What a model that was made for just this is worth beside one for the whole task.
_MADE_FOR_IT = 1.5
#: ... and one that was made for something else, whatever its benchmark says.
_MADE_FOR_OTHERS = 1 / 3
#: Tasks on pictures.
SEEN = ("object-detection", "image-segmentation", "keypoint-detection", "image-classification",
        "depth-estimation", "image-to-image", "mask-generation", "image-feature-extraction",
        "zero-shot-image-classification", "zero-shot-object-detection")  # fmt: skip
#: Tokens per second: 238 words a minute (Brysbaert: How many words do we read per minute?, Journal
#: of Memory and Language 109, 2019, for silent reading of English), at about 1.3 tokens a word.
READING_RATE = 5.0


class NoMatchError(Exception):
    """No model fits; the text says which constraint to relax."""


@dataclass(frozen=True)
class Query:
    """What is asked of a model; empty or zero fields ask nothing."""

    task: str
    devices: tuple[Device, ...]  #: on one of which it must run
    every_device: tuple[Device, ...] = ()  #: that there is, to tell whether other hardware helps
    any_device: bool = False  #: the user names no device and no place
    family: str = ""
    licences: frozenset[str] = frozenset()
    max_memory_mib: float = 0.0
    memory_kind: str = ""  #: of which memory: ram, flash, or empty for all that the model takes
    max_flash_mib: float = 0.0  #: beside a limit of RAM
    max_latency_s: float = 0.0
    min_throughput: float = 0.0  #: inferences per second, one at a time
    max_power_w: float = 0.0
    min_quality: float = 0.0  #: a bound
    accuracy: float = 0.0  #: a wish, met as well as the models allow
    excluded: frozenset[str] = frozenset()  #: names, case-folded
    languages: frozenset[str] = frozenset()  #: that the model must know
    into: frozenset[str] = frozenset()  #: into which it must translate
    unknown_pair: bool = False  #: of a translation one language or both are unknown
    topics: frozenset[str] = frozenset()  #: what of the task it must do
    modality: str = ""  #: kind of data that it must take
    model_size: float = 0.0  #: parameters asked for, met as well as memory allows
    named: tuple[str, ...] = ()  #: models or families asked for, met where one fits
    weights: str = ""  #: precision asked for
    min_token_rate: float = 0.0  #: tokens per second, of what generates text
    real_time: bool = False  #: it must keep up with what it sees
    interactive_s: float = 0.0  #: longest time assumed where a person waits; 0 = none
    interactive_rate: float = 0.0  #: tokens per second assumed there, of what generates text
    most_parameters: float = 0.0  #: of a model for which more bring nothing; 0 = any
    thing: Thing = field(default_factory=Thing)  #: how large what goes in is
    max_first_token_s: float = 0.0  #: until the first token of what generates text
    flops_weight: float = DEFAULT_FLOPS_WEIGHT
    baseline: Workload | None = None  #: to be undercut in energy
    baseline_attained: float = 0.0  #: what the baseline attains of the accuracy asked
    energy_share: float = 0.0  #: at most this share of the baseline's energy, when one is given
    least_quality: float = 0.0  #: not to be given up for less energy

    @property
    def asks_quality(self) -> bool:
        """Whether the user says how good the model must be."""
        return bool(self.min_quality or self.accuracy)


@dataclass(frozen=True)
class Candidate:
    """A model that fits, where it would run best, and its rank."""

    model: Model
    placement: Estimate
    quality: float
    score: float

    @property
    def energy_j(self) -> float:
        """Joules per inference."""
        return self.placement.energy_j

    @property
    def is_slow_to_read(self) -> bool:
        """Whether it generates slower than people read."""
        limit = reading_time_s(self.model.workload)
        return bool(limit) and self.placement.latency_s > limit


def candidates(models: list[Model], query: Query) -> list[Candidate]:
    """The models for the task that meet every constraint."""
    ceiling = inf if query.baseline is None else least_energy(query.baseline, query)
    found = []
    for model in models:
        figure = model.figures[query.task]
        if (
            excludes(query.excluded, model)
            or not of_family(model, query)
            or (query.licences and model.licence not in query.licences)
            or not model.speaks(query.languages, query.into, query.task)
            or (query.unknown_pair and len(model.to) == 1)
            or (query.modality and model.data and query.modality not in model.data)
            or (model.topic and model.topic not in query.topics)
            or ("volumes" in query.topics and query.task in SEEN and model.topic != "volumes")
            or (query.most_parameters and model.workload.parameters > query.most_parameters)
            or query.topics & model.lacks
            or ("reading" in query.topics and query.task == "image-to-text" and not model.topic)
            or figure.quality < max(query.min_quality, query.least_quality)
            or figure.attained < query.accuracy
        ):
            continue
        where = placed(model.workload, query, pieces(model, query.task, query.thing)[0])
        if where is not None and _is_less(where, model.workload, query.baseline, ceiling):
            score = figure.quality / model.workload.flops**query.flops_weight
            score *= _MADE_FOR_IT if model.topic else 1.0
            score *= _MADE_FOR_OTHERS if query.topics & model.weak else 1.0
            found.append(Candidate(model, where, figure.quality, score))
    return found


def _is_less(placed: Estimate, work: Workload, baseline: Workload | None, ceiling: float) -> bool:
    """Whether the energy is below a baseline's: with more work, beyond what is uncertain only."""
    if baseline is None or work.flops <= baseline.flops:
        return placed.energy_j < ceiling
    return placed.energy_j * placed.energy_uncertainty < ceiling


def of_family(model: Model, query: Query) -> bool:
    """Whether a model is of the family that the query names; true if it names none."""
    return not query.family or model.family.casefold() == query.family.casefold()


def excludes(excluded: frozenset[str], model: Model) -> bool:
    """Whether a model is among names, which may lack the owner."""
    full = model.name.casefold()
    return full in excluded or full.rpartition("/")[2] in excluded


def reading_time_s(work: Workload) -> float:
    """How long people read what one inference generates, in s; 0 for what generates no text."""
    return work.passes / READING_RATE if work.autoregressive else 0.0


def placed(work: Workload, query: Query, each: int = 1) -> Estimate | None:
    """Where a model runs with the least energy within the limits; None where it does nowhere.

    `each`: inferences for one thing, which share its time.
    """
    if query.weights:
        work = work.in_precision(query.weights)
    return place(
        work,
        query.devices,
        Limits(
            memory_mib=query.max_memory_mib,
            memory_kind=query.memory_kind,
            flash_mib=query.max_flash_mib,
            latency_s=longest_of(work, query) / each,
            power_w=query.max_power_w,
            first_token_s=query.max_first_token_s,
        ),
    )


def longest_of(work: Workload, query: Query) -> float:
    """The longest time of an inference of a model, in s; 0 = any."""
    tokens = work.passes / query.min_token_rate if query.min_token_rate else 0.0
    limits = (longest_s(query.max_latency_s, query.min_throughput), work.autoregressive and tokens)
    return min(filter(None, limits), default=0.0)


def least_energy(work: Workload, query: Query) -> float:
    """Joules per inference within the limits, else on the allowed hardware; infinite on none."""
    where = placed(work, query) or place(work, query.devices)
    return where.energy_j if where else inf
