"""Choice of a model: filter by constraints, rank by quality for compute.

Rank of a model = quality / FLOPs ** weight. At weight 0 quality alone counts, at 1 it is quality
per FLOP, which would always favour the tiniest model, since FLOPs span ten orders of magnitude and
quality less than one. The default 0.05 asks for 12 % more quality when the compute grows tenfold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sustainml_orchestrator.modules.estimate.devices import Device
from sustainml_orchestrator.modules.estimate.models import Model, ModelCatalogue, Workload
from sustainml_orchestrator.modules.estimate.placement import place
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
            f"no model for the task {query.task!r} in the catalogue; it has "
            f"{_list(catalogue.tasks, 40)}"
        )
    notes: list[str] = []
    constraints = _constraints(query)
    if query.family and not any(constraints["family"](m) for m in of_task):
        # Front-ends send a family by default; one that never solves the task says nothing.
        del constraints["family"]
        notes.append(f"no {query.family} for {query.task} in the catalogue, other families taken")
    fitting = [m for m in of_task if all(test(m) for test in constraints.values())]
    if not fitting:
        raise NoMatchError(_explain(of_task, constraints, query))
    candidates = [_candidate(m, query) for m in fitting]
    if query.accuracy:
        attainable = min(query.accuracy, max(c.quality for c in candidates))
        candidates = [c for c in candidates if c.quality >= attainable]
        if attainable < query.accuracy:
            notes.append(f"accuracy {query.accuracy:g} asked; the best quality is {attainable:g}")
    return Choice(tuple(_order(candidates, query, notes)), tuple(notes))


def _constraints(query: Query) -> dict[str, Callable[[Model], bool]]:
    """The tests a model must pass, by the name of what to relax."""
    tests: dict[str, Callable[[Model], bool]] = {}
    if query.excluded:
        tests["model_restrains"] = lambda m: not excludes(query.excluded, m)
    if query.family:
        tests["family"] = lambda m: m.family.casefold() == query.family.casefold()
    if query.licences:
        tests["licence"] = lambda m: m.licence in query.licences
    if query.min_quality:
        tests["min_quality"] = lambda m: m.figures[query.task].quality >= query.min_quality
    tests["hardware_required"] = lambda m: place(m.workload, query.devices) is not None
    if query.max_memory_mib:
        tests["max_memory_footprint"] = lambda m: _runs(m, query, latency=False)
    if query.max_latency_s:
        tests["max_latency"] = lambda m: _runs(m, query, latency=True)
    if query.baseline is not None:
        limit = _energy(query.baseline, query)
        tests["less energy than the baseline"] = lambda m: _energy(m.workload, query) < limit
    return tests


def excludes(excluded: frozenset[str], model: Model) -> bool:
    """Whether a model is among names, which may lack the owner."""
    full = model.name.casefold()
    return full in excluded or full.rpartition("/")[2] in excluded


def _runs(model: Model, query: Query, *, latency: bool) -> bool:
    limit = query.max_latency_s if latency else 0.0
    found = place(
        model.workload, query.devices, max_memory_mib=query.max_memory_mib, max_latency_s=limit
    )
    return found is not None


def _energy(work: Workload, query: Query) -> float:
    """Joules per inference within the limits, else on the allowed hardware; infinite on none."""
    found = place(
        work,
        query.devices,
        max_memory_mib=query.max_memory_mib,
        max_latency_s=query.max_latency_s,
    ) or place(work, query.devices)
    return found.energy_j if found else float("inf")


def _candidate(model: Model, query: Query) -> Candidate:
    placement = place(
        model.workload,
        query.devices,
        max_memory_mib=query.max_memory_mib,
        max_latency_s=query.max_latency_s,
    )
    assert placement is not None  # the constraints have been tested
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


def _explain(
    models: list[Model], constraints: dict[str, Callable[[Model], bool]], query: Query
) -> str:
    """Which single constraint, dropped, gives matches."""
    helps = []
    for name in constraints:
        others = [test for key, test in constraints.items() if key != name]
        matches = [m.name for m in models if all(test(m) for test in others)]
        if matches:
            helps.append(f"{name} (would give {_list(matches)})")
    asked = ", ".join(constraints)
    head = f"none of {len(models)} models for {query.task} meets all of: {asked}"
    if helps:
        return f"{head}; relax {' or '.join(helps)}"
    return f"{head}; no single one is to blame, relax several"


def _list(names: list[str], limit: int = 5) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
