"""Choice of a model: filter by constraints, rank by quality for compute.

Rank of a model = quality / FLOPs ** weight. At weight 0 quality alone counts, at 1 it is quality
per FLOP, which would always favour the tiniest model, since FLOPs span ten orders of magnitude and
quality less than one. The default 0.05 asks for 12 % more quality when the compute grows tenfold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sustainml_orchestrator.modules.estimate.devices import Device
from sustainml_orchestrator.modules.estimate.models import Model, ModelCatalogue, Workload
from sustainml_orchestrator.modules.estimate.placement import place
from sustainml_orchestrator.modules.estimate.requirements import quoted
from sustainml_orchestrator.modules.estimate.roofline import Estimate

DEFAULT_FLOPS_WEIGHT = 0.05
#: Share of the baseline's energy aimed at when the user asks for less without saying how much.
DEFAULT_REDUCTION = 0.5


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
    max_latency_s: float = 0.0
    min_quality: float = 0.0  #: a bound
    accuracy: float = 0.0  #: a wish, met as well as the models allow
    excluded: frozenset[str] = frozenset()  #: names, case-folded
    flops_weight: float = DEFAULT_FLOPS_WEIGHT
    baseline: Workload | None = None  #: to be undercut in energy
    energy_share: float = 0.0  #: at most this share of the baseline's energy, when one is given


@dataclass(frozen=True)
class Candidate:
    """A model that fits, where it would run best, and its rank."""

    model: Model
    placement: Estimate
    quality: float
    score: float


@dataclass(frozen=True)
class Choice:
    """The ranked candidates, best first."""

    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def best(self) -> Candidate:
        """The first of them."""
        return self.candidates[0]


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
    fitting = [m for m in of_task if _fits(m, query)]
    if not fitting:
        raise NoMatchError(_explain(of_task, query))
    candidates = [_candidate(m, query) for m in fitting]
    if query.accuracy:
        attainable = min(query.accuracy, max(c.quality for c in candidates))
        candidates = [c for c in candidates if c.quality >= attainable]
        if attainable < query.accuracy:
            notes.append(f"accuracy {query.accuracy:g} asked; the best quality is {attainable:g}")
    return Choice(tuple(_order(candidates, query, notes)), tuple(notes))


#: What can be relaxed, by the word for it in the interface, and how.
_RELAXED: dict[str, Callable[[Query], Query]] = {
    "model_restrains": lambda q: replace(q, excluded=frozenset()),
    "family": lambda q: replace(q, family=""),
    "licence": lambda q: replace(q, licences=frozenset()),
    "min_quality": lambda q: replace(q, min_quality=0.0),
    "hardware_required": lambda q: replace(q, devices=q.every_device or q.devices),
    "max_memory_footprint": lambda q: replace(q, max_memory_mib=0.0),
    "max_latency": lambda q: replace(q, max_latency_s=0.0),
    "less energy than the baseline": lambda q: replace(q, baseline=None),
}


def _fits(model: Model, query: Query) -> bool:
    """Whether a model for the task meets every constraint."""
    if excludes(query.excluded, model) or not _of_family(model, query):
        return False
    if query.licences and model.licence not in query.licences:
        return False
    if model.figures[query.task].quality < query.min_quality:
        return False
    placed = _place(model.workload, query)
    if placed is None:
        return False
    return query.baseline is None or placed.energy_j < _energy(query.baseline, query)


def _of_family(model: Model, query: Query) -> bool:
    return not query.family or model.family.casefold() == query.family.casefold()


def excludes(excluded: frozenset[str], model: Model) -> bool:
    """Whether a model is among names, which may lack the owner."""
    full = model.name.casefold()
    return full in excluded or full.rpartition("/")[2] in excluded


def _place(work: Workload, query: Query) -> Estimate | None:
    return place(
        work,
        query.devices,
        max_memory_mib=query.max_memory_mib,
        max_latency_s=query.max_latency_s,
    )


def _energy(work: Workload, query: Query) -> float:
    """Joules per inference within the limits, else on the allowed hardware; infinite on none."""
    placed = _place(work, query) or place(work, query.devices)
    return placed.energy_j if placed else float("inf")


def _candidate(model: Model, query: Query) -> Candidate:
    placement = _place(model.workload, query)
    assert placement is not None  # it fits
    quality = model.figures[query.task].quality
    score = quality / model.workload.flops**query.flops_weight
    return Candidate(model, placement, quality, score)


def _order(candidates: list[Candidate], query: Query, notes: list[str]) -> list[Candidate]:
    """Best first: by score, or in an optimisation towards its target of energy."""
    if query.baseline is None:
        return sorted(candidates, key=lambda c: (-c.score, c.model.name))
    limit = _energy(query.baseline, query) * (query.energy_share or DEFAULT_REDUCTION)
    meets = [c for c in candidates if c.placement.energy_j <= limit]
    bounded = query.min_quality or query.accuracy
    if not meets or (bounded and not query.energy_share):
        if not meets:
            notes.append("no model reaches the target; the one with the least energy taken")
        return sorted(candidates, key=lambda c: (c.placement.energy_j, -c.quality))
    return sorted(meets, key=lambda c: (-c.quality, c.placement.energy_j))


def _explain(models: list[Model], query: Query) -> str:
    """Which single constraint, dropped, gives matches."""
    asked, helps = [], []
    for name, relax in _RELAXED.items():
        relaxed = relax(query)
        if relaxed == query:
            continue
        asked.append(name)
        if matches := [m.name for m in models if _fits(m, relaxed)]:
            helps.append(f"{name} (would give {_list(matches)})")
    head = f"none of {len(models)} models for {query.task} meets {', '.join(asked)}"
    if helps:
        return f"{head}; relax {' or '.join(helps)}"
    return f"{head}; no single one is to blame, relax several"


def _list(names: list[str], limit: int = 5) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
