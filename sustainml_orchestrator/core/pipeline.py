"""The module graph: inputs, output, deadlines and retries of every module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sustainml_orchestrator.core.pipeline_reader import USER_INPUT as USER_INPUT
from sustainml_orchestrator.core.pipeline_reader import KeyPath, Reader, refusal
from sustainml_orchestrator.core.pipeline_reader import PipelineError as PipelineError


@dataclass(frozen=True, slots=True)
class ModuleSpec:
    """One module of the pipeline.

    Attributes:
        name: role in the pipeline and default name of its node.
        index: position in the pipeline, inputs always before their consumers.
        inputs: names of modules, and ``user_input``.
        output_type: name of a message of sustainml_msgs, or ``package/msg/Type``.
        timeout: longest time of one try, in s.
        max_tries: failed tries of a step before its task fails.
        baseline: whether its output is published as a baseline of later iterations.
        required: whether the system is ready only while this module is active, and a task fails
            without its output.
        wait: of a module that is not required, how long a task waits for it (s) when nothing else
            is left to do.
        replicas: how many instances share its work.
        lifecycle: how its node is commanded: "node_control" (NodeControl messages) or "managed"
            (services of lifecycle_msgs).
        executable: command line of its process; "" = that of the package, where it has one;
            "none" = it is started by other means.
    """

    name: str
    index: int
    inputs: tuple[str, ...]
    output_type: str
    timeout: float
    max_tries: int
    baseline: bool
    required: bool = True
    wait: float = 5.0
    replicas: int = 1
    lifecycle: str = "node_control"
    executable: str = ""


class Pipeline:
    """The modules in an order in which every input comes before its consumers."""

    def __init__(self, modules: tuple[ModuleSpec, ...]) -> None:
        self.modules = modules
        self.by_name = {spec.name: spec for spec in modules}
        #: for each module, the indices of the modules that it takes input from
        self.sources: tuple[tuple[int, ...], ...] = tuple(
            tuple(self.by_name[name].index for name in spec.inputs if name != USER_INPUT)
            for spec in modules
        )
        #: for each module, the indices of the modules that take its output
        self.consumers: tuple[tuple[int, ...], ...] = tuple(
            tuple(other.index for other in modules if spec.name in other.inputs) for spec in modules
        )
        self.baselines: tuple[ModuleSpec, ...] = tuple(s for s in modules if s.baseline)

    def __len__(self) -> int:
        return len(self.modules)

    @classmethod
    def from_data(
        cls, data: Any, source: str, lines: Mapping[KeyPath, int] | None = None
    ) -> Pipeline:
        """Check and order what a YAML file holds.

        Args:
            data: ``{"modules": {name: {key: value}}}``; the keys are the attributes of ModuleSpec.
            source: name of the file, for messages.
            lines: line of each key.

        Raises:
            PipelineError: with one sentence that names file, key and remedy.
        """
        reader = Reader()
        modules = reader.modules(data)
        order = reader.order(modules)
        if reader.mistakes:
            raise refusal(source, reader.mistakes, lines or {})
        return cls(tuple(ModuleSpec(name=n, index=i, **modules[n]) for i, n in enumerate(order)))
