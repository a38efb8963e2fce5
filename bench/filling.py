"""Journals full of finished iterations, made by the journal's own code.

A few problems are really solved, by a core that is told what modules would say; the others are
copies of them, each with its own ids, times, figures and texts.

    python -m bench.filling journal.db 100000
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import typer
from rclpy.serialization import serialize_message
from sustainml_msgs.msg import (
    AppRequirements,
    CO2Footprint,
    HWConstraints,
    HWResource,
    MLModel,
    MLModelMetadata,
    UserInput,
)

from sustainml_orchestrator.contract.cdr import Ids, with_ids
from sustainml_orchestrator.contract.module_graph import read_pipeline
from sustainml_orchestrator.core.commands import Save
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.events import (
    BatchEnded,
    Event,
    OutputReceived,
    Persisted,
    StatusReceived,
    TaskSubmitted,
    TimePassed,
)
from sustainml_orchestrator.core.ids import NO_TASK, NodeStatus, TaskId, TaskStatus
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.node import outputs
from sustainml_orchestrator.node.requests import Limits, derive_user_input, to_payload
from sustainml_orchestrator.storage import Journal, records, schema
from sustainml_orchestrator.storage.records import Stored

_PROBLEMS = (
    ("image classification", "Log ripe fruit from spoiled on photographs of a conveyor belt"),
    ("text summaries", "Summarise incoming support letters in two sentences each, in English"),
    ("wind forecast", "Predict the yield of a wind farm for the next day from weather reports"),
    ("speech commands", "Recognise twenty spoken commands on a device without a network"),
    ("object detection", "Count the people who cross a square, without knowing who they are"),
)
_MODELS = ("mobilenet-v3-small", "distilbart-cnn-6-6", "tft-small", "kws-ds-cnn", "yolo11-nano")
_HARDWARE = ("Jetson Orin Nano 8 GB", "UPMEM PIM-AI DIMM x4", "Raspberry Pi 5", "Alveo U50 FPGA")
_CREATED = 1_790_000_000 * 10**9  # ns
_BETWEEN = 2_717_000_003  # ns from one task to the next


def _outputs(number: int) -> dict[str, Any]:
    """What the modules would say of a problem, of a usual size."""
    (title, text), model = _PROBLEMS[number], _MODELS[number]
    properties = {"parameters": 2.5e6, "precision": "int8", "family": title, "accuracy": 0.71}
    return {
        "app_requirements": AppRequirements(
            app_requirements=[title, "latency below 0.1 s", "no network", f"input: {text[:30]}"]
        ),
        "ml_model_metadata": MLModelMetadata(
            keywords=text.lower().split()[:8], ml_model_metadata=[title, "supervised", "small"]
        ),
        "hw_constraints": HWConstraints(
            max_memory_footprint=4096, hardware_required=["ARM Cortex-A76"]
        ),
        "ml_model_provider": MLModel(
            model_path=f"/var/lib/models/{model}.onnx",
            model=model,
            model_properties=json.dumps(properties),
            input_batch=["1", "3", "224", "224"],
            target_latency=0.1,
            extra_data=json.dumps({"quality": 0.71, "metric": "accuracy"}).encode(),
        ),
        "hw_resources": HWResource(
            hw_description=_HARDWARE[number % len(_HARDWARE)],
            power_consumption=9.5,
            latency=0.021,
            memory_footprint_of_ml_model=38.0,
            max_hw_memory_footprint=8192.0,
        ),
        "carbon_tracker": CO2Footprint(
            carbon_footprint=1.2e-5, energy_consumption=0.055, carbon_intensity=230.0
        ),
    }


def _user_input(number: int) -> UserInput:
    title, text = _PROBLEMS[number]
    return UserInput(
        modality="image",
        problem_short_description=f"{title}, site {'0' * 8}",
        problem_definition=f"{text}. It runs the whole day, on hardware that we have, and what "
        "it costs in energy matters more to us than the last per cent of accuracy.",
        inputs=["camera frame, 224x224 RGB"],
        outputs=["class", "confidence"],
        minimum_samples=100,
        maximum_samples=10_000,
        geo_location_continent="Europe",
        geo_location_region="Spain",
        extra_data=json.dumps({"goal": title, "max_memory_footprint": 4096}).encode(),
    )


class _Player:
    """A core and its journal, told what modules would say."""

    def __init__(self, path: Path, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._journal = Journal.open(path, pipeline_names=tuple(pipeline.by_name))
        self._core = Orchestrator(
            pipeline=pipeline,
            settings=Settings(),
            session=self._journal.session,
            draw_token=count(1).__next__,
            derive=derive_user_input,
            journalled=True,
        )
        self._stamp = _CREATED

    def play(self) -> None:
        """Solve every problem once."""
        for name in self._pipeline.by_name:
            self._do(self._status(name, NO_TASK))
        self._do(TimePassed())
        for number in range(len(_PROBLEMS)):
            self._solve(number)
        self._journal.close()

    def _solve(self, number: int) -> None:
        message = _user_input(number)
        payload = to_payload(message, "/sustainml/orchestrator", 0, Limits())
        self._do(TaskSubmitted(0, payload, message.problem_short_description))
        task_id = TaskId(number + 1, 1)
        for spec in self._pipeline.modules:
            output = _outputs(number)[spec.name]
            output.header.frame_id = f"/sustainml/{spec.name}"
            ids = Ids(task_id, 1, self._core.session, self._core.store.get(task_id).token)
            data = with_ids(serialize_message(output), ids, 1)
            facts = outputs.facts(data, type(output))
            self._do(self._status(spec.name, task_id, ids.token))
            self._do(OutputReceived(spec.index, *ids, data, facts))
        if self._core.store.get(task_id).status is not TaskStatus.SUCCEEDED:
            raise RuntimeError(f"sample {task_id} was not solved")

    def _status(self, name: str, task_id: TaskId, token: int = 0) -> StatusReceived:
        return StatusReceived(
            name, f"/sustainml/{name}", 7, 0, NodeStatus.IDLE, task_id, 1, self._core.session,
            token, TaskStatus.RUNNING, 1,
        )  # fmt: skip

    def _do(self, event: Event) -> None:
        self._stamp += 3_000_000
        now = Instant(self._stamp / 1e9, self._stamp)
        todo: list[Event] = [event, BatchEnded()]
        for event in todo:
            for command in self._core.handle(event, now):
                if isinstance(command, Save):
                    self._journal.write(command)
                    todo.append(Persisted(command.number))


def _copies(samples: list[Stored], iterations: int, session: int) -> Iterator[Stored]:
    """The samples over and over, each copy a problem of its own."""
    for serial, sample in enumerate(islice(cycle(samples), iterations)):
        problem = serial + 1
        ids, at = Ids(TaskId(problem, 1), 1, session, problem), _CREATED + serial * _BETWEEN
        size = 1 + serial % 997 / 997
        values = dict(zip(records.COLUMNS, sample.record, strict=False))
        values |= {
            "serial": serial,
            "problem_id": problem,
            "token": problem,
            "revision": 20 * problem,
            "created": at,
            "started": at + 1_000_000,
            "finished": at + 900_000_000,
            "description": values["description"].replace("0" * 8, f"{problem:08}"),
            **{name: values[name] * size for name in ("latency", "power", "energy", "carbon")},
            "quality": values["quality"] * size / 2,
        }
        text = sample.user_input.replace(b"0" * 8, b"%08d" % problem)
        outputs = {n: with_ids(data, ids, at) for n, data in sample.outputs.items()}
        yield Stored(tuple(values.values()), with_ids(text, ids, at), False, outputs)


def fill(path: Path, iterations: int) -> None:
    """Make a journal of so many finished iterations, one per problem (the dearest case)."""
    pipeline = read_pipeline("")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "samples.db"
        _Player(model, pipeline).play()
        connection = schema.connect(model, mode="ro")
        samples = list(records.read(connection))
        connection.close()
    journal = Journal.open(path, pipeline_names=tuple(pipeline.by_name))
    session = journal.session
    journal.close()
    connection = schema.connect(path)
    records.copy(_copies(samples, iterations, session), connection)
    connection.close()


@cache
def filled(iterations: int) -> Path:
    """A journal of so many iterations, made once per run and removed at its end."""
    folder = tempfile.mkdtemp(prefix="bench-journal-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "journal.db"
    fill(path, iterations)
    return path


def payload_bytes(path: Path) -> int:
    """Sum of the sizes of all serialized payloads of a journal."""
    connection = schema.connect(path, mode="ro")
    try:
        sizes = "SELECT coalesce(sum(length(payload)), 0) FROM "
        return sum(
            connection.execute(sizes + table).fetchone()[0] for table in ("user_inputs", "outputs")
        )
    finally:
        connection.close()


if __name__ == "__main__":
    typer.run(fill)
