"""The file that describes the modules, and whether the types that it names are there."""

from __future__ import annotations

from pathlib import Path

import yaml

from sustainml_orchestrator.contract import cdr, share_directory
from sustainml_orchestrator.core.pipeline import Pipeline, PipelineError
from sustainml_orchestrator.node import conversions


def read_pipeline(path: str) -> Pipeline:
    """The pipeline that a file describes; "" means the one of the package.

    Raises:
        PipelineError: one sentence that names file, key and remedy.
    """
    try:
        file = Path(path) if path else share_directory.directory() / "config" / "pipeline.yaml"
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except Exception as error:  # PyYAML raises whatever a value leads to, RecursionError too
        reason = " ".join(str(error).split())
        raise PipelineError(
            f"{path or 'pipeline.yaml'}: cannot be read ({reason}); correct it, "
            "or leave pipeline_file empty"
        ) from error
    pipeline = Pipeline.from_data(data, str(file))
    for spec in pipeline.modules:
        key = f"{file}: modules.{spec.name}.output_type: {spec.output_type}"
        try:
            message_type = conversions.output_type(spec)
        except (ImportError, AttributeError) as error:
            raise PipelineError(
                f"{key} is not installed ({error}); build its package and source its environment"
            ) from error
        if not cdr.names_a_task(message_type):
            first = ", ".join(cdr.COMMON_FIELDS)
            raise PipelineError(f"{key} does not begin with {first}; add these fields to it")
    return pipeline
