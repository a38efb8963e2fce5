"""Core objects ↔ messages, all in one place. Messages stop here."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Collection, Sequence
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from sustainml_msgs.msg import (
    InstanceState,
    IterationComparison,
    MLModel,
    ModuleOutput,
    ModuleProgress,
    NodeControl,
    NodeState,
    TaskSummary,
    UserInput,
)
from sustainml_msgs.msg import Task as TaskMsg
from sustainml_msgs.msg import TaskId as TaskIdMsg

from sustainml_orchestrator.contract import cdr
from sustainml_orchestrator.contract.module_graph import (
    figure_sources,
    output_type,
    task_field,
    type_name,
)
from sustainml_orchestrator.core import credentials
from sustainml_orchestrator.core.commands import SendControl
from sustainml_orchestrator.core.comparison import Comparison
from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import ModuleSpec, Pipeline
from sustainml_orchestrator.core.states import OPEN_STEPS
from sustainml_orchestrator.core.step import StepRecord
from sustainml_orchestrator.core.task import Task

#: Payloads up to this size, of types of one's own, are deserialized once on arrival, to be sure.
#: Of ours, what can be walked can be deserialized (tested): a fifth of the time.
SMALL = 64 * 1024
_MAX_EXTRA_DATA = 2**20
#: Fields of outputs that may be of any size.
BINARY = ("raw_model", "extra_data")


# Ids and times #


def id_from_msg(message: TaskIdMsg) -> TaskId:
    """The id in a message."""
    return TaskId(message.problem_id, message.iteration_id)


def id_to_msg(task_id: TaskId) -> TaskIdMsg:
    """The id as a message."""
    return TaskIdMsg(problem_id=task_id[0], iteration_id=task_id[1])


def time_to_msg(stamp: int) -> Time:
    """Ns of ROS time as a message; 0 is the zero stamp."""
    return Time(sec=stamp // 10**9, nanosec=stamp % 10**9)


# Outputs #


def facts(data: bytes, message_type: type) -> dict[str, str | float]:
    """What summaries show of an output, by attribute of `Task`; all of it is checked.

    Raises:
        cdr.BadPayload: the bytes are no such message.
    """
    spans = cdr.spans(data, message_type)
    name = message_type.__name__
    if not message_type.__module__.startswith("sustainml_msgs.") and len(data) <= SMALL:
        try:
            deserialize_message(data, message_type)
        except Exception as error:  # rclpy raises whatever the middleware found
            raise cdr.BadPayload(f"no {message_type.__name__}: {error}") from error
    if name == "MLModel":
        quality = _quality(cdr.octets(data, spans["extra_data"]))
        model = cdr.shown(cdr.text(data, spans["model"]))
        return {"model": model, "quality": quality}
    if name == "HWResource":
        return {
            "hw_description": cdr.shown(cdr.text(data, spans["hw_description"])),
            "latency": cdr.number(data, spans["latency"]),
            "power": cdr.number(data, spans["power_consumption"]),
        }
    if name == "CO2Footprint":
        return {
            "carbon": cdr.number(data, spans["carbon_footprint"]),
            "energy": cdr.number(data, spans["energy_consumption"]),
        }
    return {}


def _quality(extra_data: memoryview) -> float:
    """`quality` in the extra_data of a model, NaN where there is none."""
    value = _number(extra_data, "quality")
    return math.nan if value is None else value


def _number(extra_data: memoryview, key: str) -> float | None:
    if not extra_data or len(extra_data) > _MAX_EXTRA_DATA:
        return None
    try:
        value = json.loads(bytes(extra_data)).get(key)
        return float(value) if isinstance(value, (int, float)) else None
    except (ValueError, AttributeError, RecursionError, OverflowError):
        return None


def is_exhausted(pipeline: Pipeline, outputs: Sequence[bytes | None]) -> bool:
    """Whether a model says, by `remaining` = 0 in its extra_data, that none is left after it."""
    sources = figure_sources(pipeline)
    for spec, data in zip(pipeline.modules, outputs, strict=True):
        if spec.index in sources and output_type(spec) is MLModel and data:
            try:
                span = cdr.spans(data, MLModel)["extra_data"]
            except cdr.BadPayload:  # from a damaged journal
                continue
            if _number(cdr.octets(data, span), "remaining") == 0:
                return True
    return False


def _read(data: bytes | None, message_type: type, include_binary: bool) -> Any:
    """A stored payload as a message; without its large fields unless asked for."""
    if not data:  # not delivered, or lost with a damaged journal
        return message_type()
    if len(data) > SMALL:
        return _read_large(data, message_type, include_binary)
    message = deserialize_message(data, message_type)
    if not include_binary:
        for name in _binary_fields(message):
            setattr(message, name, b"")
    return message


def _read_large(data: bytes, message_type: type, include_binary: bool) -> Any:
    """The same, with large fields copied once and not by way of the middleware's own form."""
    rest = cdr.without(data, message_type, BINARY)
    message = deserialize_message(rest, message_type)
    spans = cdr.spans(data, message_type) if include_binary else {}
    for name in _binary_fields(message):
        octets = array("B")
        if include_binary:
            octets.frombytes(cdr.octets(data, spans[name]))
        setattr(message, name, octets)
    return message


def _binary_fields(message: Any) -> list[str]:
    return [name for name in BINARY if hasattr(message, name)]


def user_input_to_msg(
    iteration: Task, session: int, include_binary: bool, with_credentials: bool = False
) -> UserInput:
    """The user input of an iteration, its ids filled in.

    Args:
        with_credentials: whether tokens and the like stay in extra_data (for modules only).
    """
    message: UserInput = _read(iteration.user_input, UserInput, include_binary)
    message.task_id = id_to_msg(iteration.task_id)
    message.attempt, message.session = iteration.attempt, session
    message.token = iteration.token
    message.header.stamp = time_to_msg(iteration.created)
    if include_binary and not with_credentials and len(message.extra_data):
        message.extra_data = without_credentials(bytes(message.extra_data))
    return message


def without_credentials(extra_data: bytes) -> bytes:
    """A JSON object without its tokens, passwords, secrets and keys."""
    stripped, removed = credentials.strip(json.loads(extra_data))
    return json.dumps(stripped, ensure_ascii=False).encode() if removed else extra_data


# TaskManager #


def progress_to_msg(name: str, record: StepRecord, has_output: bool) -> ModuleProgress:
    """What is known of one module's work."""
    return ModuleProgress(
        node_name=name,
        instance=record.instance,
        task_status=int(record.task_status),
        tries=record.tries,
        started=time_to_msg(record.started),
        finished=time_to_msg(record.finished),
        has_output=has_output,
        error_code=int(record.error_code) & 0xFF,
        error_description=record.error_description,
    )


def summary_to_msg(core: Orchestrator, iteration: Task) -> TaskSummary:
    """The summary of a task."""
    return TaskSummary(
        task_id=id_to_msg(iteration.task_id),
        base_task=id_to_msg(iteration.base_task),
        next_task=id_to_msg(iteration.next_task),
        attempt=iteration.attempt,
        revision=iteration.revision,
        task_status=int(iteration.status),
        priority=iteration.priority,
        progress=iteration.progress,
        created=time_to_msg(iteration.created),
        started=time_to_msg(iteration.started),
        finished=time_to_msg(iteration.finished),
        problem_short_description=iteration.description,
        model=iteration.model,
        quality=iteration.quality,
        hw_description=iteration.hw_description,
        latency=iteration.latency,
        energy_consumption=iteration.energy,
        carbon_footprint=iteration.carbon,
        outcome_reason=core.outcome_reason(iteration),
        error_code=int(iteration.error_code),
        error_description=iteration.error_description,
        modules=[
            progress_to_msg(spec.name, record, output is not None)
            for spec, record, output in zip(
                core.pipeline.modules, iteration.records(), iteration.outputs, strict=True
            )
        ],
        status_text=iteration.status.name,
    )


def task_to_msg(
    core: Orchestrator,
    iteration: Task,
    *,
    modules: Collection[str] = (),
    include_binary: bool = False,
) -> TaskMsg:
    """All data of a task.

    Args:
        modules: whose outputs to give; empty = all.
        include_binary: whether raw_model, extra_data and serialized come along.
    """
    task = TaskMsg(
        summary=summary_to_msg(core, iteration),
        user_input=user_input_to_msg(iteration, core.session, include_binary),
    )
    for spec, data in zip(core.pipeline.modules, iteration.outputs, strict=True):
        if data is None or (modules and spec.name not in modules):
            continue
        field = task_field(spec)
        if not field:
            task.extra_outputs.append(_extra_output(spec, data, include_binary))
        else:
            message = _read(data, output_type(spec), include_binary)
            message.session = core.session  # a recovered journal has another than the payload
            setattr(task, field, message)
    return task


def to_plain(value: Any) -> Any:
    """A message as nested dictionaries and lists, fit for JSON."""
    if hasattr(value, "get_fields_and_field_types"):
        names = value.get_fields_and_field_types()
        return {name: to_plain(getattr(value, name)) for name in names}
    if isinstance(value, (bytes, bytearray)):
        return list(value)
    if isinstance(value, (str, bool, int, float)):
        return value
    return [to_plain(item) for item in value]


def _extra_output(spec: ModuleSpec, data: bytes, include_binary: bool) -> ModuleOutput:
    message = deserialize_message(data, output_type(spec))
    return ModuleOutput(
        node_name=spec.name,
        type_name=type_name(spec),
        serialized=data if include_binary else b"",
        json=json.dumps(to_plain(message), default=str),
    )


def whole_output(spec: ModuleSpec, data: bytes | None, ids: cdr.Ids) -> ModuleOutput:
    """An output as modules get it: serialized, complete, under these ids.

    Args:
        data: None gives a default message, without header.frame_id.
    """
    if data is None:
        data = serialize_message(output_type(spec)())
    serialized = cdr.with_ids(data, ids)
    return ModuleOutput(node_name=spec.name, type_name=type_name(spec), serialized=serialized)


# Nodes and commands #


def node_to_msg(core: Orchestrator, node: Node) -> NodeState:
    """The state of a node, desired and observed."""
    code, text = node.error(core.context.now)
    index = node.spec.index
    return NodeState(
        node_name=node.name,
        instances=[_instance(core, node, process) for process in node.instances],
        node_status=int(node.status),
        desired_status=2 if node.desired_active else 0,  # IDLE or INACTIVE
        responsive=node.responsive,
        last_seen=time_to_msg(node.speaker.last_seen_stamp if node.speaker else 0),
        active_tasks=sum(
            task.steps[index].state in OPEN_STEPS for task in core.tasks.running.values()
        ),
        resets=node.resets,
        restarts=node.restarts,
        last_loss=time_to_msg(node.last_loss_stamp),
        error_code=int(code),
        error_description=text,
        status_text=node.status.name,
    )


def _instance(core: Orchestrator, node: Node, process: tuple[str, int]) -> InstanceState:
    instance = node.instances[process]
    steps = (task.steps[node.spec.index] for task in core.tasks.running.values())
    return InstanceState(
        instance=instance.name,
        incarnation=instance.incarnation,
        node_status=int(instance.status),
        responsive=instance.responsive,
        first_seen=time_to_msg(instance.first_seen_stamp),
        last_seen=time_to_msg(instance.last_seen_stamp),
        active_tasks=sum(step.state in OPEN_STEPS and process in step.processes for step in steps),
        finished_tasks=instance.finished_tasks,
    )


def control_to_msg(command: SendControl, session: int, author: str) -> NodeControl:
    """A command as the modules get it, all but the stamp."""
    message = NodeControl(
        task_id=id_to_msg(command.task_id),
        attempt=command.attempt,
        token=command.token,
        session=session,
        source_node=author,
        target_node=command.target,
        command_id=command.command_id,
        cmd_node=int(command.cmd_node),
        cmd_task=int(command.cmd_task),
        try_number=command.try_number,
    )
    message.header.frame_id = author
    return message


def comparison_to_msg(row: Comparison) -> IterationComparison:
    """One row of a comparison."""
    item = row.iteration
    return IterationComparison(
        task_id=id_to_msg(item.task_id),
        model=item.model,
        quality=item.quality,
        hw_description=item.hw_description,
        latency=item.latency,
        power_consumption=item.power,
        energy_consumption=item.energy,
        carbon_footprint=item.carbon,
        pareto_optimal=row.pareto_optimal,
        best=row.best,
    )
