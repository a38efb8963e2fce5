"""Of how many inferences one thing takes: a large picture, a volume, a recording, a long text."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from sustainml_orchestrator.reference_modules.estimate.models import MIB, Model

#: Pictures larger than the input by more than this are cut into tiles, where things are to be
#: found in them; to be classified they are scaled down, unless they are slides of a microscope.
_TILED = {"object-detection": 6.0, "image-segmentation": 6.0, "image-classification": 40.0}
_SIDES = re.compile(r"\b(\d+) x (\d+)\b")
_PART = re.compile(r"\b(\d+) x (\d+) x (\d+) part")
_SECONDS = re.compile(r"^([\d.]+) s of ")
_TOKENS = re.compile(r"\b(\d+) tokens\b")
#: Voxels of a scan of the trunk, for an idea of how many parts it has.
_SCAN = (512, 512, 300)
_MERGED = (
    "the summaries of the passages have to be summarised again; a language model with a long "
    "context reads the whole at once, with text-generation as extra_data.goal"
)


@dataclass(frozen=True)
class Thing:
    """How large what goes in is; zero where it is unknown."""

    resolution: tuple[int, int] = (0, 0)  #: of pictures, in pixels
    voxels: tuple[int, ...] = ()  #: of volumes, along their axes
    recording_s: float = 0.0  #: of a recording, in s
    tokens: float = 0.0  #: of a text


def pieces(model: Model, task: str, thing: Thing) -> tuple[int, str]:
    """The inferences that one thing takes, and what they are of; 1 and nothing for one."""
    for count, what in (
        _tiles(model, task, thing.resolution),
        _parts(model, thing.voxels),
        _windows(model, thing.recording_s),
        _passages(model, task, thing.tokens),
    ):
        if count > 1:
            return count, what
    return 1, ""


def size_notes(model: Model, task: str, thing: Thing) -> list[str]:
    """Of how many inferences one thing is, and what becomes of what is larger than the input."""
    each, what = pieces(model, task, thing)
    if each > 1:
        return [
            f"{each:,} inferences for each, of {what}",
            *([_MERGED] if task == "summarization" else []),
        ]
    return [*_scaled(model, thing.resolution), *_cut(model, thing.tokens), *_scan(model)]


def seconds_of(model: Model) -> float:
    """How long the sound of one inference lasts, in s; 0 where it takes none."""
    taken = _SECONDS.match(model.input)
    return float(taken[1]) if taken else 0.0


def _tiles(model: Model, task: str, resolution: tuple[int, int]) -> tuple[int, str]:
    taken = _SIDES.search(model.input)
    if not taken or _PART.search(model.input) or task not in _TILED:
        return 1, ""
    width, height = map(int, taken.groups())
    if max(resolution) <= _TILED[task] * max(width, height):
        return 1, ""
    count = math.ceil(resolution[0] / width) * math.ceil(resolution[1] / height)
    return count, f"tiles of {taken.group()} of a picture of {resolution[0]} x {resolution[1]}"


def _parts(model: Model, voxels: tuple[int, ...]) -> tuple[int, str]:
    part = _PART.search(model.input)
    if not part or len(voxels) != 3:
        return 1, ""
    # Neither says which axis is which: the longest of one goes with the longest of the other.
    sides = zip(sorted(voxels), sorted(map(int, part.groups())), strict=True)
    count = math.prod(math.ceil(whole / side) for whole, side in sides)
    return count, f"parts of a volume of {' x '.join(map(str, voxels))} voxels, without overlap"


def _windows(model: Model, recording_s: float) -> tuple[int, str]:
    seconds = seconds_of(model)
    if not seconds or recording_s <= seconds:
        return 1, ""
    return math.ceil(recording_s / seconds), f"windows of a recording of {recording_s:,.0f} s"


def _passages(model: Model, task: str, tokens: float) -> tuple[int, str]:
    taken, work = _TOKENS.search(model.input), model.workload
    if (
        "a page" in model.input
        or not taken
        or tokens <= float(taken[1])
        or (task == "text-generation" and work.kv_per_token)
    ):
        return 1, ""
    return math.ceil(tokens / float(taken[1])), f"passages of a text of about {tokens:,.0f} tokens"


def _scaled(model: Model, resolution: tuple[int, int]) -> list[str]:
    """Say that pictures larger than the input of the model are scaled down."""
    taken = _SIDES.search(model.input)
    if not taken or max(resolution) <= max(map(int, taken.groups())):
        return []
    return [
        f"pictures of {resolution[0]} x {resolution[1]} are scaled down to its input of "
        f"{taken.group()}: small things may be lost; where these matter, cut the picture into "
        "tiles, each an inference of its own"
    ]


def _cut(model: Model, tokens: float) -> list[str]:
    """What it costs a generator to read a text that is longer than the figures are for."""
    taken, work = _TOKENS.search(model.input), model.workload
    if not taken or tokens <= float(taken[1]):
        return []
    # It is read in one pass, and one answer is written.
    more = 2.0 * work.parameters * tokens / work.flops
    kept = work.kv_per_token * tokens * 2.0 / MIB
    return [
        f"a text of about {tokens:,.0f} tokens is longer than the {taken[1]} that the figures "
        f"are for: prefill adds {more:,.0f} times their operations, the KV cache takes "
        f"{kept:,.0f} MiB, and the context window must be that long"
    ]


def _scan(model: Model) -> list[str]:
    """Of how many inferences a whole volume is."""
    part = _PART.search(model.input)
    if not part:
        return []
    few = math.ceil(math.prod(_SCAN) / math.prod(map(int, part.groups())))
    return [
        f"one inference is of one {part.group()} of a volume: a scan of "
        f"{' x '.join(map(str, _SCAN))} voxels has at least {few}, more where they overlap"
    ]
