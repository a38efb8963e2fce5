"""From the words of the earlier modules to one proposed model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sustainml_orchestrator.reference_modules.estimate.candidates import (
    DEFAULT_FLOPS_WEIGHT,
    NoMatchError,
    Query,
    excludes,
)
from sustainml_orchestrator.reference_modules.estimate.devices import Device, DeviceCatalogue, named
from sustainml_orchestrator.reference_modules.estimate.languages import Pair, pair
from sustainml_orchestrator.reference_modules.estimate.models import (
    Model,
    ModelCatalogue,
    Workload,
)
from sustainml_orchestrator.reference_modules.estimate.pieces import Thing, pieces, size_notes
from sustainml_orchestrator.reference_modules.estimate.requirements import (
    PERMISSIVE,
    Requirements,
    quoted,
)
from sustainml_orchestrator.reference_modules.estimate.selection import (
    DEFAULT_KEPT_QUALITY,
    Choice,
    choose,
)
from sustainml_orchestrator.reference_modules.estimate.sources import origin
from sustainml_orchestrator.reference_modules.estimate.translating import by_pairs


@dataclass(frozen=True)
class Baseline:
    """The solution to be undercut; empty fields are unknown."""

    model: str = ""
    carbon_kg: float = 0.0
    workload: Workload | None = None  #: of a model that is not in the catalogue
    quality: float = 0.0  #: 0..1
    least_quality: float = 0.0  #: what the search that it is part of keeps


@dataclass(frozen=True)
class Proposal:
    """The model proposed, and why."""

    model: Model
    task: str
    quality: float | None  #: 0..1, None where the model has no figure for the task
    alternatives: tuple[str, ...] = ()  #: the next best
    ties: tuple[str, ...] = ()  #: those that are as good
    notes: tuple[str, ...] = ()
    remaining: int | None = None  #: models left for a next proposal; None where nobody looked
    least_quality: float = 0.0  #: what the search keeps, for the next proposal; 0 = not searching
    latency_s: float = 0.0  #: longest time of an inference, in s; 0 = any
    each: int = 1  #: inferences for one thing, such as the tiles of a picture


def allowed_devices(
    catalogue: DeviceCatalogue, required: Sequence[str], deployment: str, told: Sequence[str] = ()
) -> tuple[Device, ...]:
    """The devices among which the user lets us choose.

    `told` is what the reader of the problem says of names that the catalogue lacks.

    Raises:
        NoMatchError: a required name is unknown; the text offers similar ones.
    """
    devices, unknown = catalogue.resolve(required)
    if unknown and not devices:
        raise NoMatchError(
            f"{'; '.join(told[:3]) or _unknown(catalogue, unknown)}; name a device of the "
            "catalogue, one of its aliases, or a class such as edge or gpu"
        )
    if not named(required):
        classes = _BY_CONTEXT.get(deployment, (deployment,))
        narrowed = [d for d in catalogue.devices if d.device_class in classes and not d.simulated]
        return _in_place(
            narrowed or [d for d in devices if d.device_class in _BY_CONTEXT[""]], deployment
        )
    if all(len(catalogue.find(name)) > 1 for name in named(required)):  # classes, no products
        return _in_place(devices, deployment)
    return tuple(devices)


def in_turn(
    devices: tuple[Device, ...], required: Sequence[str], wanted: Requirements
) -> tuple[tuple[Device, ...], ...]:
    """The devices to try, one group after another: first what draws least, where that matters."""
    spared = wanted.deployment == "wearable" or (
        wanted.deployment == "battery" and not wanted.max_power_w
    )
    sparing = spared and not named(required)
    small = tuple(d for d in devices if d.device_class == "microcontroller" and sparing)
    return (small, devices) if small else (devices,)


def _in_place(devices: Sequence[Device], deployment: str) -> tuple[Device, ...]:
    """Those that stand where the solution is used; all where none does."""
    other = {"server": "office", "cloud": "office", "office": "server"}.get(deployment, "")
    return tuple([d for d in devices if not other or d.place != other] or devices)


def _unknown(catalogue: DeviceCatalogue, names: Sequence[str]) -> str:
    close = catalogue.similar(names[0])
    hint = f"; nearest are {', '.join(close)}" if close else ""
    return f"hardware {', '.join(map(quoted, names[:5]))} is not in the catalogue{hint}"


#: Classes of devices for a context of use. Nobody gets a telephone, a microcontroller or an
#: accelerator for embedded use who does not say so.
_BY_CONTEXT = {
    "": ("cpu", "gpu"),
    "server": ("cpu", "gpu"),
    "office": ("cpu",),
    "cloud": ("cpu", "gpu"),
    "battery": ("edge", "microcontroller"),
    "wearable": ("microcontroller", "mobile"),
}


@dataclass(frozen=True)
class Terms:
    """What the user asks of the hardware, and how the search is set.

    Attributes:
        any_device: the user names no device and no place.
        max_memory_mib: limit of memory in MiB; 0 = none.
        memory_kind: of which memory, see `requirements.memory_limit`.
        max_flash_mib: limit of flash in MiB, beside that of RAM; 0 = none.
    """

    every_device: tuple[Device, ...] = ()
    any_device: bool = False
    max_memory_mib: float = 0.0
    memory_kind: str = ""
    max_flash_mib: float = 0.0
    flops_weight: float = DEFAULT_FLOPS_WEIGHT
    kept_quality: float = DEFAULT_KEPT_QUALITY


def propose(
    models: ModelCatalogue,
    devices: tuple[Device, ...],
    wanted: Requirements,
    metadata_task: str,
    terms: Terms = Terms(),
    baseline: Baseline | None = None,
) -> Proposal:
    """Propose the best model, or several translation models where one cannot do all pairs.

    Raises:
        NoMatchError: none fits, or the one selected is unknown; the text says what to change.
    """

    def one(asked: Requirements) -> Proposal:
        return _single(models, devices, asked, metadata_task, terms, baseline)

    try:
        return one(wanted)
    except NoMatchError:
        if baseline or _task(models, wanted.goal, metadata_task) != "translation":
            raise
        found = by_pairs(one, wanted)
        if found is None:
            raise
        return found


def _single(
    models: ModelCatalogue,
    devices: tuple[Device, ...],
    wanted: Requirements,
    metadata_task: str,
    terms: Terms,
    baseline: Baseline | None,
) -> Proposal:
    """The best model for what is wanted."""
    task = _task(models, wanted.goal, metadata_task)
    both = pair(wanted) if task == "translation" else Pair(wanted)
    query = replace(_query(both.wanted, task, devices, terms), unknown_pair=both.unknown)
    if wanted.selected:
        chosen = _by_name(models, wanted.selected)
        is_base = wanted.optimise and baseline is not None and baseline.model == chosen.name
        if not excludes(query.excluded, chosen) and not is_base:
            return replace(_selected(chosen, task), latency_s=wanted.longest_s)
        # Asked for, and used up by an earlier alternative or to be undercut: the next best follows.
    goal = _Goal(wanted.optimise, wanted.desired_carbon_kg, terms.kept_quality)
    query = goal.undercut(query, models, baseline)
    choice = choose(models, query)
    targets = sorted(query.into) if task == "translation" else []
    each = pieces(choice.best.model, task, query.thing)[0] * max(1, len(targets))
    return Proposal(
        choice.best.model,
        task,
        choice.best.quality,
        tuple(c.model.name for c in choice.candidates[1:6]),
        tuple(choice.ties),
        (*both.notes, *_targets(targets), *_notes(choice, task, wanted)),
        _remaining(models, query, choice, goal),
        query.least_quality,
        (choice.longest_s or wanted.longest_s) / each,
        each,
    )


def _targets(targets: list[str]) -> list[str]:
    many = len(targets) > 1
    return [f"each text is translated {len(targets)} times: into {', '.join(targets)}"] * many


def _query(wanted: Requirements, task: str, devices: tuple[Device, ...], terms: Terms) -> Query:
    return Query(
        task=task,
        devices=devices,
        every_device=terms.every_device,
        any_device=terms.any_device,
        family=wanted.family,
        licences=wanted.licences,
        max_memory_mib=terms.max_memory_mib,
        memory_kind=terms.memory_kind,
        max_flash_mib=terms.max_flash_mib,
        max_latency_s=wanted.max_latency_s,
        min_throughput=wanted.min_throughput,
        max_power_w=wanted.max_power_w,
        min_token_rate=wanted.min_token_rate,
        real_time=wanted.real_time,
        min_quality=wanted.min_quality,
        accuracy=wanted.accuracy,
        languages=wanted.languages,
        into=wanted.into,
        topics=wanted.topics,
        interactive_s=wanted.interactive_s,
        interactive_rate=wanted.interactive_rate,
        most_parameters=0.0 if wanted.model_size or wanted.models else wanted.most_parameters,
        thing=thing_of(wanted),
        max_first_token_s=wanted.max_first_token_s,
        modality=wanted.modality,
        model_size=wanted.model_size,
        named=wanted.models,
        weights=wanted.weights,
        excluded=frozenset(name.casefold() for name in wanted.restrains),
        flops_weight=terms.flops_weight,
    )


def _notes(choice: Choice, task: str, wanted: Requirements) -> tuple[str, ...]:
    """What the user should know of the model, one sentence each."""
    model = choice.best.model
    return (
        *choice.notes,
        *_to_do(model, task, wanted.topics),
        *size_notes(model, task, thing_of(wanted)),
        *_foreign(model, task, wanted.languages),
        *([_TRAINING] if wanted.training else []),
        *([_NUMBER] if wanted.number and task == "image-classification" else []),
        *([_STAKES] if wanted.critical else []),
        *_background(model),
    )


_TRAINING = "training is not estimated: the figures are of inferences with the trained model"
_NUMBER = (
    "a number is wanted: its last layer is replaced by a single output and trained on your own "
    "data; its figure, of classes, says little of that"
)
_STAKES = (
    "a wrong answer may harm people: validate it on your own cases, set the threshold on the safe "
    "side, and let a person decide"
)


def _to_do(model: Model, task: str, topics: frozenset[str]) -> list[str]:
    """What has to be done before the model solves the problem."""
    data = model.figures[task].benchmark
    if model.use == "train":
        return ["a recipe: it has to be trained on your own data"]
    if model.use == "fine-tune":
        return [f"needs fine-tuning on your own data; its figure is that on {data}"]
    if topics & model.weak:
        return [f"its labels are those of {data}: needs fine-tuning on your own data for others"]
    return []


def _background(model: Model) -> list[str]:
    """Under which licence the model is, where that restricts its use, and whence its figures."""
    free = model.licence in PERMISSIVE
    licence = [] if free else [f"licence {model.licence}: read it before commercial use"]
    return [*licence, f"figures of {model.name}: {origin(model.source, model.checked)}"]


def thing_of(wanted: Requirements) -> Thing:
    """How large what goes in is."""
    return Thing(wanted.resolution, wanted.voxels, wanted.recording_s, wanted.text_tokens)


def _foreign(model: Model, task: str, languages: frozenset[str]) -> list[str]:
    """What a figure for English says of other languages."""
    data, others = model.figures[task].benchmark, sorted(languages - {"en"})
    if not others or "LibriSpeech" not in data:
        return []
    return [
        f"its figure is that on {data}, which is English: in {', '.join(others)} it makes more "
        "errors, a small model many more"
    ]


@dataclass(frozen=True)
class _Goal:
    """What an optimisation is after."""

    optimise: bool
    desired_carbon_kg: float
    kept_quality: float

    def undercut(self, query: Query, models: ModelCatalogue, baseline: Baseline | None) -> Query:
        """The query with less energy than the baseline's, if that is wanted."""
        if not self.optimise or baseline is None:
            return query
        known = models.find(baseline.model)
        figure = known.figures.get(query.task) if known else None
        quality = figure.quality if figure else baseline.quality
        free = query.asks_quality or self.desired_carbon_kg > 0
        return replace(
            query,
            baseline=known.workload if known else baseline.workload,
            baseline_attained=figure.attained if figure else baseline.quality,
            energy_share=_share(self.desired_carbon_kg, baseline),
            least_quality=0.0 if free else baseline.least_quality or self.kept_quality * quality,
        )


def _remaining(models: ModelCatalogue, query: Query, choice: Choice, goal: _Goal) -> int:
    """How many models a next proposal would have to choose from, with this one as its baseline."""
    if not goal.optimise and not query.accuracy:
        return len(choice.candidates) - 1
    name = choice.best.model.name
    query = replace(query, excluded=query.excluded | {name.casefold()})
    former = Baseline(name, least_quality=query.least_quality)
    try:
        return len(choose(models, goal.undercut(query, models, former)).candidates)
    except NoMatchError:
        return 0


def _task(models: ModelCatalogue, goal: str, metadata_task: str) -> str:
    asked = models.task(goal)
    if asked in models.tasks or not metadata_task:
        return asked
    return models.task(metadata_task)


def _by_name(models: ModelCatalogue, name: str) -> Model:
    found = models.find(name)
    if found is None:
        close = models.similar(name)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise NoMatchError(f"model {quoted(name)} is not in the catalogue{hint}")
    return found


def _selected(model: Model, task: str) -> Proposal:
    figure = model.figures.get(task)
    notes = () if figure else (f"selected by the user; no figure for {task or 'this task'} known",)
    return Proposal(model, task, figure.quality if figure else None, notes=notes)


def _share(desired_kg: float, baseline: Baseline) -> float:
    """Share of the baseline's carbon, hence of its energy in the same region, that may be spent."""
    if not desired_kg or not baseline.carbon_kg > 0:
        return 0.0
    return min(1.0, desired_kg / baseline.carbon_kg)
