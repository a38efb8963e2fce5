"""Nodes of modules and commands to them, as messages."""

from __future__ import annotations

from sustainml_msgs.msg import InstanceState, NodeControl, NodeState

from sustainml_orchestrator.core.commands import SendControl
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.states import OPEN_STEPS
from sustainml_orchestrator.node.conversions import id_to_msg, time_to_msg


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
