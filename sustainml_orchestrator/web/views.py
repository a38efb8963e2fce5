"""What pages show, made of messages: plain data without what only ROS needs."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from sustainml_msgs.msg import NodeState, SystemState, Task, TaskSummary

from sustainml_orchestrator.client.remarks import titled
from sustainml_orchestrator.contract.module_graph import TASK_FIELDS, task_field, type_name
from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.core.pipeline import Pipeline

#: Fields that every output has, for the machinery and not for people.
_COMMON = ("task_id", "attempt", "session", "token")
_SHOWN_INPUT = ("task_id", "attempt", "session", "token", "header")


def seconds(stamp: Any) -> float | None:
    """A time in s since 1970; None for a zero stamp."""
    return stamp.sec + stamp.nanosec / 1e9 if stamp.sec or stamp.nanosec else None


def summary(of: TaskSummary) -> dict[str, Any]:
    """A task at a glance, with its steps."""
    data: dict[str, Any] = plain(of)
    data.update(
        id=f"{of.task_id.problem_id}/{of.task_id.iteration_id}",
        created=seconds(of.created), started=seconds(of.started), finished=seconds(of.finished),
        modules=[_step(each) for each in of.modules],
    )  # fmt: skip
    for name in ("base_task", "next_task"):
        other = getattr(of, name)
        data[name] = f"{other.problem_id}/{other.iteration_id}" if other.problem_id else ""
    return data


def _step(of: Any) -> dict[str, Any]:
    times = {name: seconds(getattr(of, name)) for name in ("started", "finished")}
    return {**plain(of), **times}


def system(state: SystemState) -> dict[str, Any]:
    """The state of the system."""
    names = ("version", "ready", "reason", "waiting", "running", "succeeded", "failed", "stopped")
    return {
        "stamp": seconds(state.stamp),
        **{name: getattr(state, name) for name in names},
        "nodes": [node(each) for each in state.nodes],
    }


def node(of: NodeState) -> dict[str, Any]:
    """The state of a module and its instances."""
    return {
        **plain(of),
        "last_seen": seconds(of.last_seen),
        "last_loss": seconds(of.last_loss),
        "instances": [
            {
                **plain(each),
                "incarnation": f"{each.incarnation:016x}",  # more than a number of JavaScript
                "first_seen": seconds(each.first_seen),
                "last_seen": seconds(each.last_seen),
            }
            for each in of.instances
        ],
    }


def event(of: Any) -> dict[str, Any]:
    """One event of the history."""
    task_id = f"{of.task_id.problem_id}/{of.task_id.iteration_id}" if of.task_id.problem_id else ""
    return {**plain(of), "stamp": seconds(of.stamp), "task_id": task_id}


def graph(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The modules of the pipeline in order."""
    return [
        {
            "name": spec.name,
            "inputs": list(spec.inputs),
            "type": type_name(spec),
            "timeout": spec.timeout,
            "max_tries": spec.max_tries,
            "baseline": spec.baseline,
            "required": spec.required,
            "replicas": spec.replicas,
            "lifecycle": spec.lifecycle,
        }
        for spec in pipeline.modules
    ]


def task(of: Task, pipeline: Pipeline) -> dict[str, Any]:
    """All of a task: summary, input, and the outputs by module, in the order of the pipeline."""
    user_input = plain(of.user_input)
    of.ml_model.raw_model = []  # a download has it
    return {
        "summary": summary(of.summary),
        "input": {name: user_input[name] for name in user_input if name not in _SHOWN_INPUT},
        "outputs": _outputs(of, pipeline),
        "remarks": [list(each) for each in titled(of)],
    }


def _outputs(of: Task, pipeline: Pipeline) -> list[dict[str, Any]]:
    found = []
    typed = {spec.name: field for spec in pipeline.modules if (field := task_field(spec))}
    for name, field in (typed or TASK_FIELDS).items():
        message = getattr(of, field)
        if message.task_id.problem_id:
            found.append({"module": name, "fields": _fields(plain(message))})
    for output in of.extra_outputs:
        fields = _fields(json.loads(output.json or "{}"))
        found.append({"module": output.node_name, "type": output.type_name, "fields": fields})
    order = {spec.name: spec.index for spec in pipeline.modules}
    return sorted(found, key=lambda each: order.get(each["module"], len(order)))


def _fields(message: dict[str, Any]) -> dict[str, Any]:
    """The fields for people; JSON inside a text is data."""
    fields = {name: value for name, value in message.items() if name not in (*_COMMON, "header")}
    properties = fields.get("model_properties")
    if isinstance(properties, str) and properties:
        with suppress(ValueError, RecursionError):
            fields["model_properties"] = plain(json.loads(properties))
    return fields
