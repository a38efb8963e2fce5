"""What class attributes say of a module, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from sustainml_msgs.msg import (
    AppRequirements,
    CO2Footprint,
    HWConstraints,
    HWResource,
    MLModel,
    TaskId,
    UserInput,
)

from sustainml_orchestrator.sdk.module_spec import spec_of
from sustainml_orchestrator.sdk.task import BASELINE


def described(**attributes: Any) -> Any:
    """A class with these attributes; nothing else of it is read."""
    empty = {"module": "", "inputs": None, "output_type": None, "baselines": None}
    return type("Mine", (), empty | attributes)


def test_standard_modules_are_described_by_the_module_graph() -> None:
    spec = spec_of(described(module="carbon_tracker"))
    assert spec.inputs == {
        "user_input": UserInput,
        "ml_model_provider": MLModel,
        "hw_resources": HWResource,
    }
    assert spec.output_type is CO2Footprint and not spec.baselines
    provider = spec_of(described(module="ml_model_provider"))
    assert set(provider.baselines) == {"ml_model_provider", "hw_resources", "carbon_tracker"}
    assert provider.needed(1) == set(provider.inputs)
    assert provider.needed(2) == {*provider.inputs, *(BASELINE + n for n in provider.baselines)}


def test_other_modules_and_their_baselines_are_named_with_their_types() -> None:
    spec = spec_of(
        described(
            module="referee",
            inputs={"user_input": UserInput, "their_module": AppRequirements},
            output_type=HWConstraints,
            baselines={"their_module": AppRequirements},
        )
    )
    assert spec.needed(2) == {"user_input", "their_module", BASELINE + "their_module"}
    assert spec.open({}).baselines.their_module == AppRequirements()


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({}, "Mine.module is ''; set it to one of app_requirements, "),
        ({"module": "No Name"}, "Mine.module is 'No Name'; set it to one of "),
        ({"module": 3}, "Mine.module is 3; "),
        ({"module": "mine"}, "mine is not a standard module; say what Mine consumes, "),
        ({"module": "mine", "inputs": ["user_input"]}, "set Mine.output_type"),
        ({"module": "hw_resources", "inputs": ["theirs"]}, "Mine.inputs contains theirs; use "),
        ({"module": "hw_resources", "inputs": "user_input"}, "Mine.inputs contains user_input; "),
        ({"module": "hw_resources", "baselines": ["user_input"]}, "Mine.baselines contains user"),
        ({"module": "hw_resources", "output_type": TaskId}, "TaskId is not a message type whose"),
        ({"module": "hw_resources", "output_type": int}, "int is not a message type whose"),
        ({"module": "hw_resources", "inputs": {"theirs": dict}}, "dict is not a message type"),
    ],
)
def test_what_describes_no_module_is_refused(attributes: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError) as raised:
        spec_of(described(**attributes))
    assert text in str(raised.value)
