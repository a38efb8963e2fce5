"""The setting `catalogue`: models and devices of one's own, by file, for one module."""

from pathlib import Path

import pytest
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.reference_modules.app_requirements import AppRequirementsModule
from sustainml_orchestrator.reference_modules.catalogue_module import CatalogueModule
from sustainml_orchestrator.reference_modules.hw_constraints import HWConstraintsModule
from sustainml_orchestrator.reference_modules.hw_resources import HWResourcesModule
from sustainml_orchestrator.reference_modules.ml_model_provider import MLModelProviderModule
from sustainml_orchestrator.sdk import ModuleError

MODULES = (AppRequirementsModule, HWConstraintsModule, MLModelProviderModule, HWResourcesModule)
BOARD = """
devices:
  - name: Beetle Board 7
    class: edge
    aliases: []
    engine: gpu
    peak: {fp16: 2.0e+12, int8: 4.0e+12}
    bandwidth: 5.0e+10
    memory_mib: 4096
    power: {idle: 1.0, max: 6.0}
    power_of: board
    source: ["own measurement"]
"""


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "board.yaml"
    path.write_text(BOARD)
    return path


def started(kind: type[CatalogueModule]) -> CatalogueModule:
    module = kind()
    module.on_start()
    return module


def named_hardware(module: CatalogueModule) -> list[str]:
    class Inputs:
        user_input = UserInput(problem_definition="Count cars on a Beetle Board 7")

    return list(module.process(None, Inputs()).hardware_required)


@pytest.mark.parametrize("kind", MODULES)
def test_every_module_takes_it(kind: type[CatalogueModule], board: Path) -> None:
    module = started(kind)
    assert module.configure({})["catalogue"] == ""
    assert module.configure({"catalogue": str(board)})["catalogue"] == str(board)
    assert module.configure({"catalogue": [str(board)]})["catalogue"] == str(board)
    assert module.configure({"catalogue": ""})["catalogue"] == ""


def test_a_device_of_ones_own_is_known_while_it_is_set(board: Path) -> None:
    module, other = started(HWConstraintsModule), started(HWConstraintsModule)
    module.configure({"catalogue": str(board.parent)})
    assert named_hardware(module) == ["Beetle Board 7"]
    assert named_hardware(other) == []
    module.configure({"catalogue": ""})
    assert named_hardware(module) == []


@pytest.mark.parametrize(
    ("value", "content", "said"),
    [
        (7, None, "as a text or a list"),
        ("/nowhere/else.yaml", None, "does not exist"),
        (None, "models: 7", "must be a list"),
        (None, "[1", "not valid YAML"),
        (None, "devices: [{name: broken}]", "device broken: 'class' is missing"),
    ],
)
def test_what_does_not_fit_changes_nothing(
    board: Path, tmp_path: Path, value: object, content: str | None, said: str
) -> None:
    module = started(HWConstraintsModule)
    module.configure({"catalogue": str(board), "default_memory": 64})
    if content is not None:
        value = str(tmp_path / "wrong.yaml")
        Path(str(value)).write_text(content)
    with pytest.raises(ModuleError, match=said):
        module.configure({"catalogue": value, "default_memory": 32})
    now = module.configure({})
    assert (now["catalogue"], now["default_memory"]) == (str(board), 64)
    assert named_hardware(module) == ["Beetle Board 7"]


def test_a_wrong_setting_beside_it_leaves_the_catalogue(board: Path) -> None:
    module = started(HWResourcesModule)
    with pytest.raises(ModuleError, match="runtime"):
        module.configure({"catalogue": str(board), "runtime": "steam"})
    assert module.configure({})["catalogue"] == ""
    assert not module.devices.find("Beetle Board 7")


def test_a_file_that_changed_is_read_when_it_is_set_again(board: Path) -> None:
    module = started(HWConstraintsModule)
    module.configure({"catalogue": str(board)})
    board.write_text(BOARD.replace("Beetle Board 7", "Beetle Board 8"))
    module.configure({"default_memory": 64})
    assert named_hardware(module) == ["Beetle Board 7"]
    module.configure({"catalogue": str(board)})
    assert not module.words.devices.find("Beetle Board 7")
    assert module.words.devices.find("Beetle Board 8")


@pytest.mark.parametrize("kind", MODULES)
def test_what_is_refused_changes_no_attribute(kind: type[CatalogueModule], board: Path) -> None:
    """Also where the files that were read before can be read no more."""
    module = started(kind)
    module.configure({"catalogue": str(board)})
    before = vars(module).copy()
    settings = vars(module.settings).copy()
    good = board.with_name("good.yaml")
    good.write_text(BOARD)
    board.write_text("devices: 7")
    for wrong in ({"catalogue": str(board)}, {"catalogue": str(good), "nonsense": 1}):
        with pytest.raises(ModuleError, match=r"list|nonsense"):
            module.configure(wrong)
        after = vars(module).copy()
        assert vars(after.pop("settings")) == settings
        assert after == {key: each for key, each in before.items() if key != "settings"}


def test_a_wrong_query_leaves_the_settings() -> None:
    module = started(MLModelProviderModule)
    before = module.configure({})
    with pytest.raises(ModuleError, match="query"):
        module.configure({"flops_weight": 0.9, "query": "nonsense"})
    assert module.configure({}) == before
