"""What `sustainml status` calls processes."""

from __future__ import annotations

import pytest

from sustainml_orchestrator.cli.background import name_of

REFERENCE = "-m sustainml_orchestrator.reference_modules.ml_model_provider --ros-args"


@pytest.mark.parametrize(
    ("title", "command", "name"),
    [
        ("ml_model_provid", f"python {REFERENCE} -r __ns:=/lab", "ml_model_provider"),
        ("ml_model_provid", f"python {REFERENCE} -r __node:=ml_model_provider_2",
         "ml_model_provider_2"),
        ("orchestrator", "python -m sustainml_orchestrator.node.orchestrator_node", "orchestrator"),
        ("python3.11", "python -m sustainml_orchestrator.cli --namespace rest web --port 1", "web"),
        ("python", "python mine.py", "python"),
        ("python", "python mine.py --ros-args -r __ns:=/lab -r __node:=meter", "meter"),
        ("meter.sh", "sh meter.sh --ros-args -r __node:=meter_2", "meter_2"),
        ("a_title_of_15_c", "", "a_title_of_15_c"),
    ],
)  # fmt: skip
def test_names_are_those_of_the_log(title: str, command: str, name: str) -> None:
    assert name_of(title, command.split()) == name
