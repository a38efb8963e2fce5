"""Types of the interface: of answers made from the messages of ROS, of requests by hand."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model
from sustainml_msgs import msg

MAX_UINT32 = 2**32 - 1


def _whole(value: Any) -> Any:
    """3.0 is an integer of JSON, as 3 is; "3" is none."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
Uint32 = Annotated[Whole, Field(ge=0, le=MAX_UINT32)]
_INTEGER_BITS = {"uint8": 8, "octet": 8, "uint16": 16, "uint32": 32, "uint64": 64}
#: Fields of bytes that hold JSON, which is written as it is.
_EMBEDDED = ("extra_data", "json")


class ProblemDetails(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str = Field(description="Name of the error, such as NOT_FOUND.")
    status: int = Field(description="Status of HTTP.")
    detail: str = Field(description="A sentence that says what to do.")
    instance: str | None = None
    code: int | None = Field(None, description="Number of the ErrorCode of the orchestrator.")


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Statement(_Request):
    """The fields of a problem; SI units, carbon in kgCO2e."""

    modality: str = Field("", description="Kind of the data: image, text, audio, tabular …")
    problem_short_description: str = Field("", description="A title.")
    problem_definition: str = Field(
        "", description="The problem in words.", examples=["tell cats from dogs in photos"]
    )
    inputs: list[str] = Field([], description="What the model gets.")
    outputs: list[str] = Field([], description="What the model gives.")
    minimum_samples: Uint32 = Field(0, description="Fewest inferences expected.")
    maximum_samples: Uint32 = Field(0, description="Most inferences expected.")
    optimize_carbon_footprint_manual: bool = Field(
        False, description="This iteration shall save carbon."
    )
    optimize_carbon_footprint_auto: bool = Field(
        False, description="Iterate until the carbon is as desired, or the least possible."
    )
    desired_carbon_footprint: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="Target in kgCO2e; 0 = none."
    )
    geo_location_continent: str = ""
    geo_location_region: str = Field("", description="Country or region of the energy grid.")
    extra_data: dict[str, Any] | None = Field(
        None, description="hardware_required, max_memory_footprint (MiB), goal, num_outputs …"
    )


Priority = Annotated[Whole, Field(ge=0, le=255, description="Higher first.")]


class NewProblem(Statement):
    """A problem to solve."""

    priority: Priority = 0


class NewIteration(Statement):
    """What changes against the base iteration; fields that are left out are those of the base."""

    base_iteration: Uint32 = Field(0, description="Whose outputs it builds upon; 0 = the latest.")
    priority: Priority = 0


@cache
def of_message(kind: type) -> type[BaseModel]:
    """The type of a message as JSON: NaN is null, bytes are base64, embedded JSON is JSON."""
    fields: dict[str, Any] = {
        f"{name}_": (Any if name in _EMBEDDED else _of_field(text), Field(alias=name))
        for name, text in kind.get_fields_and_field_types().items()  # type: ignore[attr-defined]
    }  # the underline: "json" is a method of models
    return create_model(kind.__name__, **fields)


def _of_field(text: str) -> Any:
    if text in _INTEGER_BITS:
        return Annotated[int, Field(ge=0, le=2 ** _INTEGER_BITS[text] - 1)]
    if text in ("sequence<uint8>", "sequence<octet>"):
        return str
    if text.startswith("sequence<"):
        return list[_of_field(text[len("sequence<") : -1])]  # type: ignore[misc]
    if "/" in text:
        return of_message(_message(text))
    simple = {"boolean": bool, "string": str, "float": float | None, "double": float | None}
    return simple.get(text, int)


def _message(text: str) -> type:
    package, _, name = text.partition("/")
    if package == "builtin_interfaces":
        from builtin_interfaces.msg import Time

        return Time
    if package == "std_msgs":
        from std_msgs.msg import Header

        return Header
    return getattr(msg, name)


class TaskCreated(BaseModel):
    """A task that was started."""

    task_id: of_message(msg.TaskId)  # type: ignore[valid-type]
    href: str


class Tasks(BaseModel):
    """A page of summaries."""

    tasks: list[of_message(msg.TaskSummary)]  # type: ignore[valid-type]
    total: int = Field(description="How many match in all.")


class ProblemPage(BaseModel):
    """Problems, each with its first iteration."""

    problems: list[of_message(msg.TaskSummary)]  # type: ignore[valid-type]
    next_cursor: int | None = Field(description="For the next page; null after the last.")


class Nodes(BaseModel):
    """States of nodes."""

    nodes: list[of_message(msg.NodeState)]  # type: ignore[valid-type]


class Comparison(BaseModel):
    """Iterations side by side."""

    iterations: list[of_message(msg.IterationComparison)]  # type: ignore[valid-type]


class History(BaseModel):
    """Events of the history."""

    events: list[of_message(msg.HistoryEvent)]  # type: ignore[valid-type]


class TaskState(BaseModel):
    """The state of a task after a command."""

    task_status: int
    status_text: str


class Deleted(BaseModel):
    """What was deleted."""

    deleted_iterations: int
