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

from sustainml_orchestrator.reference_modules.estimate.candidates import (
    READING_RATE,
    SEEN,
    Candidate,
    NoMatchError,
    Query,
    candidates,
    least_energy,
    longest_of,
    of_family,
    placed,
)
from sustainml_orchestrator.reference_modules.estimate.devices import Device
from sustainml_orchestrator.reference_modules.estimate.keeping_up import (
    GENERATION,
    in_pace,
    keeping_up,
    modest,
    suited,
)
from sustainml_orchestrator.reference_modules.estimate.models import (
    BYTES_PER_PARAMETER,
    MIB,
    USES,
    Model,
    ModelCatalogue,
)
from sustainml_orchestrator.reference_modules.estimate.placement import place, reason
from sustainml_orchestrator.reference_modules.estimate.requirements import quoted

#: Ranks within this factor say nothing: benchmarks differ by more from one data set to the next.
_TIE = 1.02
#: Share of the baseline's energy aimed at when the user asks for less without saying how much.
DEFAULT_REDUCTION = 0.5
#: Share of the first proposal's quality that is kept then, unless the user asks for a quality.
DEFAULT_KEPT_QUALITY = 0.9


@dataclass(frozen=True)
class Choice:
    """The ranked candidates, best first."""

    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]  #: what the user should know of them
    longest_s: float = 0.0  #: of an inference, where more than the limits decides; 0 = nothing

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
    notes: list[str] = []
    of_task = suited(_of_task(catalogue, query), query, notes)
    if query.family and not any(of_family(m, query) for m in of_task):
        # Front-ends send a family by default; one that never solves the task says nothing.
        notes.append(f"no {query.family} for {query.task} in the catalogue, other families taken")
        query = replace(query, family="")
    if query.accuracy:
        query = replace(query, accuracy=_attainable(of_task, query, notes))
    asked = query
    query = keeping_up(of_task, modest(query, notes), notes)
    fitting = candidates(of_task, query)
    if not fitting:
        raise NoMatchError("; ".join([_explain(catalogue, of_task, query), *notes]))
    fitting = in_pace(fitting, query, notes)
    if query.named and query.baseline is None:
        fitting = _of_name(catalogue, fitting, query, notes)
    if query.model_size:
        fitting = _of_size(of_task, fitting, query, notes)
    ordered = _order(fitting, query, notes)
    if query.task == GENERATION and ordered[0].is_slow_to_read:
        rate = ordered[0].model.workload.passes / ordered[0].placement.latency_s
        notes.append(
            f"it generates about {rate:.2g} tokens/s on {ordered[0].placement.device.name}, slower "
            f"than people read ({READING_RATE:g}); take a smaller model or faster hardware"
        )
    decides = query.min_token_rate or query != asked
    longest = longest_of(ordered[0].model.workload, query) if decides else 0.0
    return Choice(tuple(ordered), tuple(notes), longest)


def _of_task(catalogue: ModelCatalogue, query: Query) -> list[Model]:
    """The models for the task and what of it is wanted."""
    of_task = [m for m in catalogue.models if query.task in m.figures]
    if not of_task:
        raise NoMatchError(
            f"no model for the task {quoted(query.task)} in the catalogue; it has "
            f"{_list(catalogue.tasks, 40)}"
        )
    flat = query.task in SEEN and not any(m.topic == "volumes" for m in of_task)
    if flat and "volumes" in query.topics:
        raise NoMatchError(
            f"none of the {len(of_task)} models for {query.task} in the catalogue takes volumes "
            '(3D); say "slice by slice" to take single pictures of them, or add a model: '
            "sustainml catalogue add"
        )
    if query.topics and all(query.topics & m.lacks for m in of_task):
        raise NoMatchError(
            f"none of the {len(of_task)} models for {query.task} in the catalogue does "
            f"{' or '.join(sorted(query.topics))} ({_list([m.name for m in of_task])}); "
            "add one that does: sustainml catalogue add"
        )
    return of_task


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
    "hardware_required": lambda q: replace(q, devices=_others(q)),
    "max_memory_footprint": lambda q: replace(q, max_memory_mib=0.0, max_flash_mib=0.0),
    "max_latency": lambda q: replace(q, max_latency_s=0.0),
    "min_throughput": lambda q: replace(q, min_throughput=0.0),
    "min_token_rate": lambda q: replace(q, min_token_rate=0.0),
    "max_power": lambda q: replace(q, max_power_w=0.0),
    "kept_quality": lambda q: replace(q, least_quality=0.0),
    "less energy than the baseline": lambda q: replace(q, baseline=None),
}


def _others(query: Query) -> tuple[Device, ...]:
    """All devices that one may be advised to take: no telephone for who named none."""
    classes = {d.device_class for d in query.devices} | {"cpu", "gpu", "edge"}
    every = query.every_device or query.devices
    return tuple(d for d in every if d.device_class in classes and not d.simulated)


def _attainable(models: list[Model], query: Query, notes: list[str]) -> float:
    """As much of the accuracy asked as any model attains, the baseline included."""
    free = candidates(models, replace(query, accuracy=0.0, baseline=None, least_quality=0.0))
    within = [c.model for c in free]
    first = max(within or models, key=lambda m: m.figures[query.task].attained)
    best = max(first.figures[query.task].attained, query.baseline_attained)
    if best < query.accuracy:
        where = "" if within else f" on any hardware ({first.name})"
        notes.append(f"accuracy {query.accuracy:g} asked; the best there is{where} has {best:g}")
    return min(best, query.accuracy) if within else 0.0


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
        why = "" if placed(nearest.workload, query) else reason(nearest.workload, query.devices)
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
    why = reason(known[0].workload, query.devices) if known else ""
    why = f": {why or 'it misses another constraint'} ({known[0].name})" if known else ""
    smaller = [c for c in fitting if c.model.workload.parameters < wanted] or fitting
    largest = max(c.model.workload.parameters for c in smaller)
    if known:
        notes.append(f"a model of {size} does not fit{why}; the largest that fits is proposed")
    else:
        notes.append(
            f"no model of {size} in the catalogue{_too_large(query)}; the nearest below is proposed"
        )
    return [c for c in smaller if c.model.workload.parameters >= largest / 1.25]


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
    limit = least_energy(query.baseline, query) * share
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
    of_task = [m for m in catalogue.models if GENERATION in m.figures]
    fitting = candidates(of_task, replace(query, task=GENERATION, into=frozenset(), baseline=None))
    ready = [c for c in fitting if c.model.use == USES[0] and c.model.languages]
    return _list([c.model.name for c in sorted(ready, key=lambda c: -c.quality)], 3)


_PAIRS = (
    "; models for many more pairs of languages are published (opus-mt, NLLB): add one with "
    "sustainml catalogue add"
)


def _explain(catalogue: ModelCatalogue, models: list[Model], query: Query) -> str:
    """Which single constraint, dropped, gives matches."""
    asked, helps = [], []
    for name, relax in _RELAXED.items():
        relaxed = relax(query)
        if relaxed == query:
            continue
        asked.append(name)
        if name == "language" and query.task == "translation":
            continue  # a model for other languages is of no help
        if matches := [_match(c, name) for c in candidates(models, relaxed)]:
            helps.append(f"{name} (would give {_list(matches)}{_then(name, query.task)})")
    head = f"none of {len(models)} models for {query.task} meets {', '.join(asked)}"
    head += _too_large(query) or _why(models, query)
    if generators := _generators(catalogue, query):
        head += (
            f"; a language model may do it, with text-generation as extra_data.goal: {generators}"
        )
    if "language" in asked and query.task == "translation":
        head += _PAIRS
    if query.unknown_pair:
        head += "; the problem does not say from which language into which: name both"
    if helps:
        return f"{head}; relax {' or '.join(helps)}"
    return f"{head}; no single one is to blame, relax several"


def _then(relaxed: str, task: str) -> str:
    """What has to be done with a model that lacks the language asked for."""
    teachable = relaxed == "language" and task != "translation"
    return "; to be fine-tuned on data in that language" if teachable else ""


def _match(candidate: Candidate, relaxed: str) -> str:
    if relaxed != "hardware_required":
        return candidate.model.name
    return f"{candidate.model.name} on {candidate.placement.device.name}"


def _too_large(query: Query) -> str:
    """What keeps a model of the size asked for off the hardware allowed, in any precision."""
    if not query.model_size or not query.devices:
        return ""
    largest = max(query.devices, key=lambda d: max(d.usable_mib, d.flash_mib))
    room = max(largest.usable_mib, largest.flash_mib)
    least = query.model_size * min(BYTES_PER_PARAMETER.values()) / MIB
    if least <= room:
        return ""
    return (
        f" ({query.model_size / 1e9:.3g}B parameters take at least {least:,.0f} MiB, with 4-bit "
        f"weights; {largest.name} has {room:.3g} MiB for them)"
    )


def _why(models: list[Model], query: Query) -> str:
    """What keeps the models off the hardware allowed, where none of them runs there."""
    if any(place(model.workload, query.devices) for model in models) or not query.devices:
        return ""
    usable = [m for m in models if not m.workload.only_on] or models
    reasons = (f"{m.name}: {reason(m.workload, query.devices)}" for m in usable)
    return f" ({'; '.join(list(reasons)[:3])})"


def _list(names: list[str], limit: int = 5) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
