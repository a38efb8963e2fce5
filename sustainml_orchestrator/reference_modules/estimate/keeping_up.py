"""The response time assumed where a person or a camera waits and no time is stated."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from sustainml_orchestrator.reference_modules.estimate.candidates import (
    READING_RATE,
    SEEN,
    Candidate,
    Query,
    candidates,
)
from sustainml_orchestrator.reference_modules.estimate.models import Model
from sustainml_orchestrator.reference_modules.estimate.pieces import seconds_of

GENERATION = "text-generation"
#: Pictures per second that "real time" means: those of television in Europe.
_REAL_TIME = 25.0
#: Response time in s that "real time" means without pictures: it does not interrupt a person.
_LISTENING = 1.0
#: ... and of a recogniser of speech, which takes half a minute at once: as for live subtitles.
_HEARING = 3.0
_STATE = "state a time for another"


def keeping_up(models: list[Model], query: Query, notes: list[str]) -> Query:
    """Require the assumed rate or response time, unless one is stated or no model reaches it."""
    if query.max_latency_s or query.min_throughput or query.min_token_rate:
        return query
    if query.real_time and query.task in SEEN:
        text = f"real time is taken as {_REAL_TIME:g} pictures per second"
        return _within(1.0 / _REAL_TIME, text, models, query, notes)
    if query.task == GENERATION:
        return _generating(models, query, notes)
    spoken = query.task == "text-to-speech"  # in real time: as fast as it is spoken, see in_pace
    live = _HEARING if query.task == "automatic-speech-recognition" else _LISTENING
    seconds = query.interactive_s or (live if query.real_time and not spoken else 0.0)
    if seconds and not query.named:
        text = f"a person waits for the answer: {seconds:g} s are assumed"
        return _within(seconds, f"{text}, {_STATE}", models, query, notes)
    return query


def _within(
    seconds: float, text: str, models: list[Model], query: Query, notes: list[str]
) -> Query:
    """Only what takes no longer, else the fastest."""
    found = candidates(models, query)
    fastest = min((c.placement.latency_s for c in found), default=0.0)
    if fastest > seconds:
        reached = (
            f"{1.0 / fastest:.2g}" if query.real_time and query.task in SEEN else f"{fastest:.2g} s"
        )
        notes.append(f"{text}; the fastest model here reaches {reached}")
        return replace(query, max_latency_s=fastest)
    notes.append(text)
    return replace(query, max_latency_s=seconds)


#: Of a generator where neither a device nor a size is named: what one graphics card of an office
#: holds with a context.
_MODEST = 9e9


def modest(query: Query, notes: list[str]) -> Query:
    """Without the largest generators where nobody asks for one."""
    asked = query.named or query.model_size or query.most_parameters or query.asks_quality
    if query.task != GENERATION or not query.any_device or asked or query.baseline:
        return query
    notes.append(
        f"neither a device nor a size is named: a generator of at most {_MODEST / 1e9:g}B is taken"
    )
    return replace(query, most_parameters=_MODEST)


def _generating(models: list[Model], query: Query, notes: list[str]) -> Query:
    """Only what generates as fast as people read, or more where they wait for each line."""
    if query.named:
        return query
    if query.interactive_rate:
        faster = replace(query, min_token_rate=query.interactive_rate)
        text = f"a person waits for each line: {query.interactive_rate:g} tokens/s are assumed"
        if candidates(models, faster):
            notes.append(f"{text}, {_STATE}")
            return faster
        notes.append(f"{text}; no model here generates as fast")
        found = candidates(models, query)
        if fastest := max((_rate(c) for c in found), default=0.0):
            return replace(query, min_token_rate=fastest / 1.000001)
    wished, least = replace(query, min_token_rate=READING_RATE), query.model_size / 1.25
    found = candidates(models, wished)
    return wished if any(c.model.workload.parameters >= least for c in found) else query


def _rate(found: Candidate) -> float:
    work = found.model.workload
    return work.passes / found.placement.latency_s if work.autoregressive else 0.0


def in_pace(found: list[Candidate], query: Query, notes: list[str]) -> list[Candidate]:
    """Those that take no longer for a sound than it lasts, unless none does or one is named."""
    fast = [c for c in found if c.placement.latency_s <= (seconds_of(c.model) or inf)]
    if not fast:
        notes.append("no model here keeps up with the sound as it comes; recordings can wait")
    return found if query.named or not fast else fast


def suited(models: list[Model], query: Query, notes: list[str]) -> list[Model]:
    """Without models for pictures that are far larger than those there are."""
    most = 4 * max(query.thing.resolution)
    if not most or query.task not in SEEN:
        return models
    smallest = min((size for m in models if (size := m.picture_side)), default=0)
    fitting = [m for m in models if m.picture_side <= max(most, smallest)]
    if len(fitting) == len(models):
        return models
    width, height = query.thing.resolution
    notes.append(
        f"the pictures have {width} x {height} pixels: models for far larger ones are left out"
    )
    return fitting
