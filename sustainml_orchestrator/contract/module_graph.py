"""The module graph: the file that describes the modules, and the message types that it names.

Outputs are filed by the name of their module, never by type: two modules may deliver one type.
"""

from __future__ import annotations

from importlib import import_module

from sustainml_msgs.msg import Task, UserInput

from sustainml_orchestrator.contract import cdr, pipeline_file
from sustainml_orchestrator.core.pipeline import USER_INPUT, ModuleSpec, Pipeline
from sustainml_orchestrator.core.pipeline_reader import Mistake, refusal

#: Fields of a Task that belong to the modules of these names.
TASK_FIELDS = {
    "ml_model_metadata": "ml_model_metadata",
    "app_requirements": "app_requirements",
    "hw_constraints": "hw_constraints",
    "ml_model_provider": "ml_model",
    "hw_resources": "hw_resource",
    "carbon_tracker": "carbon_footprint",
}
_PACKAGE = "sustainml_msgs/msg"


def read_pipeline(path: str) -> Pipeline:
    """The pipeline that a file describes; "" means the one of the package.

    Raises:
        PipelineError: one sentence that names file, line, key and remedy; all in its `texts`.
    """
    pipeline, lines = pipeline_file.parse_with_lines(path)
    mistakes = [
        Mistake(("modules", spec.name, "output_type"), f"{spec.output_type} {remedy}")
        for spec in pipeline.modules
        if (remedy := type_flaw(spec.output_type))
    ]
    if mistakes:
        raise refusal(str(pipeline_file.locate(path)), mistakes, lines)
    return pipeline


def type_flaw(name: str) -> str:
    """What is wrong with an output type, and what to do; "" for nothing."""
    try:
        message_type = _load(name)
    except (ImportError, AttributeError) as error:
        return f"is not installed ({error}); build its package and source its environment"
    if not cdr.names_a_task(message_type):
        return f"does not begin with {', '.join(cdr.COMMON_FIELDS)}; add these fields to it"
    return ""


def type_name(spec: ModuleSpec) -> str:
    """The full ROS name of a module's output type, such as ``sustainml_msgs/msg/MLModel``."""
    return _full(spec.output_type)


def _full(name: str) -> str:
    return name if "/" in name else f"{_PACKAGE}/{name}"


def output_type(spec: ModuleSpec) -> type:
    """Message type of a module's output.

    Raises:
        ImportError, AttributeError: it is not installed.
    """
    return _load(spec.output_type)


def _load(name: str) -> type:
    package, _, type_ = _full(name).rpartition("/")
    return getattr(import_module(package.replace("/", ".")), type_)


def message_types(pipeline: Pipeline) -> dict[str, type]:
    """Message type by name of the module; ``user_input`` is among them."""
    return {USER_INPUT: UserInput, **{spec.name: output_type(spec) for spec in pipeline.modules}}


def task_field(spec: ModuleSpec) -> str:
    """Field of a Task that holds a module's output; "" for one that stands in extra_outputs."""
    field = TASK_FIELDS.get(spec.name, "")
    return field if field and _field_type(field) == type_name(spec) else ""


def figure_sources(pipeline: Pipeline) -> frozenset[int]:
    """Indices of the modules whose outputs give the figures of summaries.

    Of several modules of one type it is the one of the standard name, else the first.
    """
    sources: dict[str, int] = {}
    for spec in sorted(pipeline.modules, key=lambda spec: (not task_field(spec), spec.index)):
        sources.setdefault(type_name(spec), spec.index)
    return frozenset(sources.values())


def _field_type(field: str) -> str:
    return str(Task.get_fields_and_field_types()[field]).replace("/", "/msg/")
