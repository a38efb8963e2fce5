"""TaskSummary written straight as CDR: a busy task is announced many times.

Building a message object and serializing it takes five times as long. A test compares the result
with that of `conversions.summary_to_msg`, which documents the fields.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from sustainml_orchestrator.contract.cdr import ENCAPSULATION
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.task import Task

_BASE = 4  # alignment counts from behind the encapsulation
#: three task ids, attempt, revision, task_status, priority, progress, three times
_HEAD = struct.Struct("<6II4xQBB2xf6I")
_HEAD_AT = ENCAPSULATION + b"\x00\x00"
_QUALITY = struct.Struct("<d")
_FIGURES = struct.Struct("<3d")
_LENGTH = struct.Struct("<I")
#: of a module: tries, started, finished, has_output, error_code
_PROGRESS = struct.Struct("<I4IBB")
_SECOND = 10**9


def serialize(core: Orchestrator, iteration: Task) -> bytes:
    """The summary of a task as it is published."""
    data = bytearray(_HEAD_AT)
    data += _HEAD.pack(
        *iteration.task_id, *iteration.base_task, *iteration.next_task,
        iteration.attempt, iteration.revision, iteration.status, iteration.priority,
        iteration.progress,
        *divmod(iteration.created, _SECOND),
        *divmod(iteration.started, _SECOND),
        *divmod(iteration.finished, _SECOND),
    )  # fmt: skip
    _add_text(data, iteration.description)
    _add_text(data, iteration.model)
    _align(data, 8)
    data += _QUALITY.pack(iteration.quality)
    _add_text(data, iteration.hw_description)
    _align(data, 8)
    data += _FIGURES.pack(iteration.latency, iteration.energy, iteration.carbon)
    _add_text(data, core.outcome_reason(iteration))
    data.append(iteration.error_code)
    _add_text(data, iteration.error_description)
    _align(data, 4)
    data += _LENGTH.pack(len(iteration.outputs))
    modules = zip(core.pipeline.modules, iteration.records(), iteration.outputs, strict=True)
    for spec, record, output in modules:
        _align(data, 4)
        data += _names(spec.name, record.instance)
        data.append(record.task_status)
        _align(data, 4)
        data += _PROGRESS.pack(
            record.tries,
            *divmod(record.started, _SECOND),
            *divmod(record.finished, _SECOND),
            output is not None,
            record.error_code & 0xFF,
        )
        _add_text(data, record.error_description)
    _add_text(data, iteration.status.name)
    return bytes(data)


def _align(data: bytearray, size: int) -> None:
    data += bytes(-(len(data) - _BASE) % size)


def _add_text(data: bytearray, text: str) -> None:
    encoded = text.encode("utf-8", "replace")
    data += bytes(-(len(data) - _BASE) % 4)
    data += _LENGTH.pack(len(encoded) + 1)
    data += encoded
    data.append(0)


@lru_cache(maxsize=256)
def _names(module: str, instance: str) -> bytes:
    """node_name and instance, from a place aligned to 4 bytes on."""
    data = bytearray(_BASE)
    _add_text(data, module)
    _add_text(data, instance)
    return bytes(data[_BASE:])
