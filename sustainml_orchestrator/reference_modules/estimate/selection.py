"""Choice of a model: filter by constraints, rank by quality for compute.

Rank of a model = quality / FLOPs ** weight. At weight 0 quality alone counts, at 1 it is quality
per FLOP, which would always favour the tiniest model, since FLOPs span ten orders of magnitude and
quality less than one. The default 0.05 asks for 12 % more quality when the compute grows tenfold.

An optimisation takes models with less energy than its baseline's only, and in another order; see
`_order`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from sustainml_orchestrator.reference_modules.estimate.devices import Device
from sustainml_orchestrator.reference_modules.estimate.models import (
    USES,
    Model,
    ModelCatalogue,
    Workload,
)
from sustainml_orchestrator.reference_modules.estimate.placement import Limits, place, reason
from sustainml_orchestrator.reference_modules.estimate.requirements import longest_s, quoted
from sustainml_orchestrator.reference_modules.estimate.roofline import Estimate

DEFAULT_FLOPS_WEIGHT = 0.05
#: Ranks within this factor say nothing: benchmarks differ by more from one data set to the next.
_TIE = 1.02
#: What a model that was made for just this is worth beside one for the whole task.
_MADE_FOR_IT = 1.5
#: Share of the baseline's energy aimed at when the user asks for less without saying how much.
DEFAULT_REDUCTION = 0.5
#: Share of the first proposal's quality that is kept then, unless the user asks for a quality.
DEFAULT_KEPT_QUALITY = 0.9


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
    topics: frozenset[str] = frozenset()  #: what of the task it must do
    modality: str = ""  #: kind of data that it must take
    model_size: float = 0.0  #: parameters asked for, met as well as memory allows
    named: tuple[str, ...] = ()  #: models or families asked for, met where one fits
    weights: str = ""  #: precision asked for
    is_read: bool = False  #: what it generates is read while it comes
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


@dataclass(frozen=True)
class Choice:
    """The ranked candidates, best first."""

    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]  #: what the user should know of them
    is_read: bool = False  #: each generates as fast as people read

    @property
    def best(self) -> Candidate:
        """The first of them."""
        return self.candidates[0]

    @property
    def ties(self) -> list[str]:
        """Models that are as good as the best, as far as the rulers tell."""
        limit = self.best.score / _TIE
        return [c.model.name for c in self.candidates[1:] if c.score >= limit]


def choose(catalogue: ModelCatalogue, query: Query) -> Choice:
    """Rank the models that meet every constraint.

    Raises:
        NoMatchError: none does.
    """
    of_task = [m for m in catalogue.models if query.task in m.figures]
    if not of_task:
        raise NoMatchError(
            f"no model for the task {quoted(query.task)} in the catalogue; it has "
            f"{_list(catalogue.tasks, 40)}"
        )
    notes: list[str] = []
    if query.family and not any(_of_family(m, query) for m in of_task):
        # Front-ends send a family by default; one that never solves the task says nothing.
        notes.append(f"no {query.family} for {query.task} in the catalogue, other families taken")
        query = replace(query, family="")
    if query.accuracy:
        query = replace(query, accuracy=_attainable(of_task, query, notes))
    query = _while_read(of_task, query)
    fitting = _fitting(of_task, query)
    if not fitting:
        raise NoMatchError(_explain(catalogue, of_task, query))
    if query.named and query.baseline is None:
        fitting = _of_name(catalogue, fitting, query, notes)
    if query.model_size:
        fitting = _of_size(of_task, fitting, query, notes)
    ordered = _order(fitting, query, notes)
    if query.task == _GENERATION and ordered[0].is_slow_to_read:
        rate = ordered[0].model.workload.passes / ordered[0].placement.latency_s
        notes.append(
            f"it generates about {rate:.2g} tokens/s on {ordered[0].placement.device.name}, slower "
            f"than people read ({READING_RATE:g}); take a smaller model or faster hardware"
        )
    return Choice(tuple(ordered), tuple(notes), query.is_read)


_GENERATION = "text-generation"


def _while_read(models: list[Model], query: Query) -> Query:
    """Only generators that keep up with a reader, unless more or less is asked, or none does."""
    asked = query.named or query.model_size or query.max_latency_s or query.min_throughput
    wished = replace(query, is_read=True)
    if query.task != _GENERATION or asked or not _fitting(models, wished):
        return query
    return wished


#: Tasks that an instructed generator of text does as well, if with more energy.
_BY_GENERATORS = ("summarization", "translation", "question-answering", "text-classification",
                  "token-classification", "zero-shot-classification")  # fmt: skip


#: What can be relaxed, by the word for it in the interface, and how.
_RELAXED: dict[str, Callable[[Query], Query]] = {
    "model_restrains": lambda q: replace(q, excluded=frozenset()),
    "family": lambda q: replace(q, family=""),
    "licence": lambda q: replace(q, licences=frozenset()),
    "language": lambda q: replace(q, languages=frozenset(), into=frozenset()),
    "weights": lambda q: replace(q, weights=""),
    "min_quality": lambda q: replace(q, min_quality=0.0),
    "min_accuracy": lambda q: replace(q, accuracy=0.0),
    "hardware_required": lambda q: replace(q, devices=q.every_device or q.devices),
    "max_memory_footprint": lambda q: replace(q, max_memory_mib=0.0, max_flash_mib=0.0),
    "max_latency": lambda q: replace(q, max_latency_s=0.0),
    "min_throughput": lambda q: replace(q, min_throughput=0.0),
    "max_power": lambda q: replace(q, max_power_w=0.0),
    "kept_quality": lambda q: replace(q, least_quality=0.0),
    "less energy than the baseline": lambda q: replace(q, baseline=None),
}


def _fitting(models: list[Model], query: Query) -> list[Candidate]:
    """The models for the task that meet every constraint."""
    ceiling = inf if query.baseline is None else _energy(query.baseline, query)
    found = []
    for model in models:
        figure = model.figures[query.task]
        if (
            excludes(query.excluded, model)
            or not _of_family(model, query)
            or (query.licences and model.licence not in query.licences)
            or not model.speaks(query.languages, query.into, query.task)
            or (query.modality and model.data and query.modality not in model.data)
            or (model.topic and model.topic not in query.topics)
            or ("reading" in query.topics and query.task == "image-to-text" and not model.topic)
            or figure.quality < max(query.min_quality, query.least_quality)
            or figure.attained < query.accuracy
        ):
            continue
        placed = _place(model.workload, query)
        if placed is not None and _is_less(placed, model.workload, query.baseline, ceiling):
            score = figure.quality / model.workload.flops**query.flops_weight
            score *= _MADE_FOR_IT if model.topic else 1.0
            found.append(Candidate(model, placed, figure.quality, score))
    return found


def _is_less(placed: Estimate, work: Workload, baseline: Workload | None, ceiling: float) -> bool:
    """Whether the energy is below a baseline's: with more work, beyond what is uncertain only."""
    if baseline is None or work.flops <= baseline.flops:
        return placed.energy_j < ceiling
    return placed.energy_j * placed.energy_uncertainty < ceiling


def _attainable(models: list[Model], query: Query, notes: list[str]) -> float:
    """As much of the accuracy asked as any model attains, the baseline included."""
    free = _fitting(models, replace(query, accuracy=0.0, baseline=None, least_quality=0.0))
    best = max((c.model.figures[query.task].attained for c in free), default=0.0)
    best = max(best, query.baseline_attained)
    if best < query.accuracy:
        notes.append(f"accuracy {query.accuracy:g} asked; the best there is has {best:g}")
    return min(best, query.accuracy)


def _of_name(
    catalogue: ModelCatalogue, fitting: list[Candidate], query: Query, notes: list[str]
) -> list[Candidate]:
    """Those that were asked for by name; where none fits, all, saying why."""
    known = [m for name in query.named for m in catalogue.named(name)]
    of_task = [m for m in known if query.task in m.figures]
    asked = [c for c in fitting if c.model in of_task]
    if of_task and not asked:
        # The smallest comes closest.
        nearest = min(of_task, key=lambda m: m.workload.parameters)
        why = "" if _place(nearest.workload, query) else reason(nearest.workload, query.devices)
        notes.append(f"{nearest.name}, asked for, does not do: "
                     f"{why or 'it misses another constraint'}; another is proposed")  # fmt: skip
    elif known and not asked:
        notes.append(f"{known[0].name}, asked for, is not for {query.task}; another is proposed")
    return asked or fitting


def _of_size(
    models: list[Model], fitting: list[Candidate], query: Query, notes: list[str]
) -> list[Candidate]:
    """Those of the size asked for; where none fits, the largest below it, saying why."""
    wanted = query.model_size
    near = [c for c in fitting if wanted / 1.25 <= c.model.workload.parameters <= wanted * 1.25]
    if near:
        return near
    size = f"{wanted / 1e9:.3g}B"
    known = [m for m in models if wanted / 1.25 <= m.workload.parameters <= wanted * 1.25]
    why = f": {reason(known[0].workload, query.devices)} ({known[0].name})" if known else ""
    smaller = [c for c in fitting if c.model.workload.parameters < wanted] or fitting
    largest = max(c.model.workload.parameters for c in smaller)
    if known:
        notes.append(f"a model of {size} does not fit{why}; the largest that fits is proposed")
    else:
        notes.append(f"no model of {size} in the catalogue; the nearest below is proposed")
    return [c for c in smaller if c.model.workload.parameters >= largest / 1.25]


def _of_family(model: Model, query: Query) -> bool:
    return not query.family or model.family.casefold() == query.family.casefold()


def excludes(excluded: frozenset[str], model: Model) -> bool:
    """Whether a model is among names, which may lack the owner."""
    full = model.name.casefold()
    return full in excluded or full.rpartition("/")[2] in excluded


def reading_time_s(work: Workload) -> float:
    """How long people read what one inference generates, in s; 0 for what generates no text."""
    return work.passes / READING_RATE if work.autoregressive else 0.0


def _place(work: Workload, query: Query) -> Estimate | None:
    if query.weights:
        work = work.in_precision(query.weights)
    return place(
        work,
        query.devices,
        Limits(
            memory_mib=query.max_memory_mib,
            memory_kind=query.memory_kind,
            flash_mib=query.max_flash_mib,
            latency_s=reading_time_s(work)
            if query.is_read
            else longest_s(query.max_latency_s, query.min_throughput),
            power_w=query.max_power_w,
        ),
    )


def _energy(work: Workload, query: Query) -> float:
    """Joules per inference within the limits, else on the allowed hardware; infinite on none."""
    placed = _place(work, query) or place(work, query.devices)
    return placed.energy_j if placed else inf


def _order(candidates: list[Candidate], query: Query, notes: list[str]) -> list[Candidate]:
    """Best first.

    By score; in an optimisation, where the user says what quality is enough, by energy. Where
    not, those that reach the target (half the energy if none is given) by quality, then the
    others by energy.
    """
    if query.baseline is None:
        return sorted(candidates, key=lambda c: (-c.score, USES.index(c.model.use), c.model.name))
    thrifty = sorted(candidates, key=lambda c: (c.energy_j, -c.quality))
    share = query.energy_share or DEFAULT_REDUCTION
    limit = _energy(query.baseline, query) * share
    meets = [c for c in thrifty if c.energy_j <= limit]
    if query.energy_share and not meets:
        notes.append("no model reaches the target; the one with the least energy taken")
    if query.asks_quality:
        return thrifty
    return sorted(meets, key=lambda c: -c.quality) + thrifty[len(meets) :]


def _generators(catalogue: ModelCatalogue, query: Query) -> str:
    """The generators of text that would do instead, where only the language is in the way."""
    if query.task not in _BY_GENERATORS or not query.languages:
        return ""
    of_task = [m for m in catalogue.models if _GENERATION in m.figures]
    fitting = _fitting(of_task, replace(query, task=_GENERATION, into=frozenset(), baseline=None))
    ready = [c for c in fitting if c.model.use == USES[0] and c.model.languages]
    return _list([c.model.name for c in sorted(ready, key=lambda c: -c.quality)], 3)


def _explain(catalogue: ModelCatalogue, models: list[Model], query: Query) -> str:
    """Which single constraint, dropped, gives matches."""
    asked, helps = [], []
    for name, relax in _RELAXED.items():
        relaxed = relax(query)
        if relaxed == query:
            continue
        asked.append(name)
        if matches := [_match(c, name) for c in _fitting(models, relaxed)]:
            helps.append(f"{name} (would give {_list(matches)})")
    head = f"none of {len(models)} models for {query.task} meets {', '.join(asked)}"
    head += _why(models, query)
    if generators := _generators(catalogue, query):
        head += (
            f"; a language model may do it, with text-generation as extra_data.goal: {generators}"
        )
    if helps:
        return f"{head}; relax {' or '.join(helps)}"
    return f"{head}; no single one is to blame, relax several"


def _match(candidate: Candidate, relaxed: str) -> str:
    if relaxed != "hardware_required":
        return candidate.model.name
    return f"{candidate.model.name} on {candidate.placement.device.name}"


def _why(models: list[Model], query: Query) -> str:
    """What keeps the models off the hardware allowed, where none of them runs there."""
    if any(place(model.workload, query.devices) for model in models) or not query.devices:
        return ""
    reasons = (f"{m.name}: {reason(m.workload, query.devices)}" for m in models)
    return f" ({'; '.join(list(reasons)[:3])})"


def _list(names: list[str], limit: int = 5) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
