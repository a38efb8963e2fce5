"""The examples that are printed are those that work."""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path

from rclpy.serialization import deserialize_message, serialize_message
from sustainml_msgs.msg import CO2Footprint, HWResource, MLModel

from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.sdk import Module
from sustainml_orchestrator.sdk.actions import Job, Phase
from sustainml_orchestrator.sdk.user_code import Host
from sustainml_orchestrator.sdk.wire_ids import Ticket

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "modules.md").read_text(encoding="utf-8")


def test_the_printed_example_is_the_tested_one() -> None:
    """The file has a docstring more."""
    printed = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]
    example = (ROOT / "examples" / "my_module.py").read_text(encoding="utf-8")
    assert example.partition('"""\n\n')[2] == printed


def test_the_example_of_the_class_works() -> None:
    text = (
        inspect.cleandoc(Module.__doc__ or "").partition("::\n\n")[2].partition("\n\nThe node")[0]
    )
    names = {"__name__": "example"}
    exec(textwrap.dedent(text), names)
    host = Host(names["MyHardware"], "/lab/hw_resources")
    host.start({})
    ticket = Ticket(TaskId(1, 1), 1, 2, 3)
    for model, failed in (("resnet", False), ("", True)):
        parts = {"ml_model_provider": serialize_message(MLModel(model=model))}
        outcome = host.call(Job(1, ticket, 1, Phase.RUNNING, parts), lambda: False)
        if failed:
            assert outcome.text == "no model was proposed; relax the constraints"
        else:
            output = deserialize_message(outcome.output, HWResource)
            assert (output.hw_description, output.power_consumption) == ("my board", 15.0)
            assert (output.session, output.token) == (2, 3)


def test_the_example_of_a_migrated_module_works() -> None:
    text = (ROOT / "docs" / "migrating.md").read_text(encoding="utf-8")
    _, migrated = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {"__name__": "example"}
    exec(migrated, names)
    host = Host(names["MyTracker"], "/lab/carbon_tracker")
    host.start({})
    ticket = Ticket(TaskId(1, 1), 1, 2, 3)
    for watts, failed in ((3600.0, False), (0.0, True)):
        hardware = HWResource(power_consumption=watts, latency=1000.0)
        parts = {"hw_resources": serialize_message(hardware)}
        outcome = host.call(Job(1, ticket, 1, Phase.RUNNING, parts), lambda: False)
        if failed:
            assert outcome.text == "the power of the hardware is unknown; name a device that is"
        else:
            output = deserialize_message(outcome.output, CO2Footprint)
            assert (output.energy_consumption, output.carbon_footprint) == (1000.0, 0.475)
