"""The module graph: a bad file is refused with a sentence that names file, key and remedy."""

from __future__ import annotations

from typing import Any

import pytest

from sustainml_orchestrator.core.pipeline import Pipeline, PipelineError

GOOD = {"inputs": ["user_input"], "output_type": "MLModel"}


def one(**changes: Any) -> dict[str, Any]:
    return {"modules": {"a": {**GOOD, **changes}}}


BAD = [
    (None, "modules: must be a mapping"),
    ({"modules": []}, "modules: must be a mapping"),
    ({"modules": {}}, "modules: holds 0; give between 1 and 64"),
    ({"modules": {f"m{i}": GOOD for i in range(65)}}, "modules: holds 65"),
    ({**one(), "version": 1}, "version: is not a key of this file"),
    ({"modules": {"A b": GOOD}}, "modules.A b: is no ROS name"),
    ({"modules": {"orchestrator": GOOD}}, "modules.orchestrator: is a reserved name"),
    ({"modules": {"a": 1}}, "modules.a: must be a mapping"),
    (one(color="red"), "modules.a.color: is unknown; known are"),
    (one(inputs=[]), "modules.a.inputs: must be a list"),
    (one(inputs="user_input"), "modules.a.inputs: must be a list"),
    (one(inputs=["b"]), "modules.a.inputs: names 'b', which is no module of this file; add it"),
    (one(inputs=["user_input"] * 2), "modules.a.inputs: names an input twice; remove one"),
    (one(inputs=["a"]), "modules: a wait for each other; break the cycle"),
    (one(output_type="Nope"), "modules.a.output_type: is 'Nope'; use one of"),
    (one(output_type=None), "modules.a.output_type: is 'None'; use one of"),
    (one(timeout=0), "modules.a.timeout: is '0'; give seconds"),
    (one(timeout=float("nan")), "modules.a.timeout: is 'nan'; give seconds"),
    (one(timeout=True), "modules.a.timeout: is 'True'; give seconds"),
    (one(max_tries=0), "modules.a.max_tries: is '0'; give a whole number"),
    (one(max_tries=1.5), "modules.a.max_tries: is '1.5'; give a whole number"),
    (one(baseline="yes"), "modules.a.baseline: is 'yes'; use true or false"),
    (one(required=1), "modules.a.required: is '1'; use true or false"),
    (one(replicas=0), "modules.a.replicas: is '0'; give a whole number, 1 to 64"),
    (one(replicas=True), "modules.a.replicas: is 'True'; give a whole number"),
    (
        one(lifecycle="managed", replicas=2),
        "modules.a.replicas: is for modules that are not managed",
    ),
    (one(lifecycle="auto"), "modules.a.lifecycle: is 'auto'; use node_control or managed"),
    (one(lifecycle=["managed"]), "modules.a.lifecycle: is '['managed']'; use node_control"),
]


@pytest.mark.parametrize(("data", "text"), BAD)
def test_bad_files(data: Any, text: str) -> None:
    with pytest.raises(PipelineError) as caught:
        Pipeline.from_data(data, "my.yaml")
    assert str(caught.value).startswith(f"my.yaml: {text}")


def test_inputs_come_before_their_consumers() -> None:
    data = {"modules": {"late": {**GOOD, "inputs": ["early"]}, "early": GOOD}}
    pipeline = Pipeline.from_data(data, "my.yaml")
    assert [spec.name for spec in pipeline.modules] == ["early", "late"]
    assert (pipeline.sources, pipeline.consumers) == (((), (0,)), ((1,), ()))


def test_a_type_of_ones_own() -> None:
    pipeline = Pipeline.from_data(one(output_type="my_msgs/msg/Thing"), "my.yaml")
    assert pipeline.by_name["a"].output_type == "my_msgs/msg/Thing"


def test_a_module_is_required_and_alone_unless_the_file_says_otherwise() -> None:
    spec = Pipeline.from_data(one(), "my.yaml").by_name["a"]
    assert (spec.required, spec.replicas, spec.lifecycle) == (True, 1, "node_control")
    for changes in ({"required": False, "replicas": 3}, {"lifecycle": "managed", "wait": 2.5}):
        spec = Pipeline.from_data(one(**changes), "my.yaml").by_name["a"]
        assert {name: getattr(spec, name) for name in changes} == changes
