"""Conversions between objects of the core and messages."""

from __future__ import annotations

from collections.abc import Collection

from builtin_interfaces.msg import Time
from sustainml_msgs.msg import (
    InstanceState,
    IterationComparison,
    ModuleProgress,
    NodeControl,
    NodeState,
    TaskSummary,
    UserInput,
)
from sustainml_msgs.msg import Task as TaskMsg
from sustainml_msgs.msg import TaskId as TaskIdMsg

from sustainml_orchestrator.contract.module_graph import output_type, task_field
from sustainml_orchestrator.contract.payloads import redacted, without_credentials
from sustainml_orchestrator.core.commands import SendControl
from sustainml_orchestrator.core.comparison import Comparison
from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.states import OPEN_STEPS
from sustainml_orchestrator.core.step import StepRecord
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.node.outputs import extra_output, read_payload

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


def user_input_to_msg(
    iteration: Task, session: int, include_binary: bool, with_credentials: bool = False
) -> UserInput:
    """The user input of an iteration, its ids filled in.

    Args:
        with_credentials: whether tokens and the like stay in extra_data (for modules only).
    """
    message: UserInput = read_payload(iteration.user_input, UserInput, include_binary)
    message.task_id = id_to_msg(iteration.task_id)
    message.attempt, message.session = iteration.attempt, session
    message.token = iteration.token
    message.header.stamp = time_to_msg(iteration.created)
    if include_binary and not with_credentials:
        message.extra_data = without_credentials(bytes(message.extra_data))
    return message


# Tasks #


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
        outcome_reason=core.outcome_reason(iteration, with_place=True),
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
        data = redacted(data, output_type(spec))
        field = task_field(spec)
        if not field:
            task.extra_outputs.append(extra_output(spec, data, include_binary))
        else:
            message = read_payload(data, output_type(spec), include_binary)
            message.session = core.session  # a recovered journal has another than the payload
            setattr(task, field, message)
    return task


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


# Nodes #


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
        last_seen=time_to_msg(node.primary.last_seen_stamp if node.primary else 0),
        active_tasks=sum(
            task.steps[index].state in OPEN_STEPS for task in core.tasks.running.values()
        ),
        resets=node.recovery.resets,
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
        active_tasks=sum(
            step.state in OPEN_STEPS and process in (*step.processes, step.assigned)
            for step in steps
        ),
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
