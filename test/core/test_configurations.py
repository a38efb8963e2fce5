"""Settings that front-ends made come back to a process that replaces another."""

from __future__ import annotations

from support.driver import Driver

from sustainml_orchestrator.core.commands import ConfigureNode, SendControl
from sustainml_orchestrator.core.configurations import MAX_SIZE, PATIENCE
from sustainml_orchestrator.core.events import (
    ConfigurationAnswered,
    NodeConfigured,
    ParametersChanged,
    Restored,
    StatusReceived,
)
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, NodeStatus

MODULE = "carbon_tracker"


def started(core: Driver) -> bool:
    """Whether START_NODE was sent to it since the last call of `forget`."""
    return any(
        c.target == MODULE and c.cmd_node is NodeCommand.START for c in core.find(SendControl)
    )


def asked(core: Driver) -> list[dict[str, str]]:
    """The settings given to it since the last call of `forget`."""
    return [dict(command.settings) for command in core.find(ConfigureNode)]


def respawn(core: Driver) -> None:
    """Its process is replaced by another."""
    core.forget()
    core.incarnations[MODULE] += 1
    core.status(MODULE, NodeStatus.INACTIVE)


def answer(core: Driver, code: ErrorCode = ErrorCode.NO_ERROR, reason: str = "") -> None:
    """The present process answers to its settings."""
    (process,) = core.core.lifecycle.by_name[MODULE].instances
    core.give(ConfigurationAnswered(MODULE, *process, code, reason))


def heard(core: Driver) -> list[str]:
    """The history of the module."""
    events = core.core.context.history.to_save().events if core.core.persistence.enabled else ()
    return [event.event for event in events if event.node_name == MODULE]


def configured() -> Driver:
    """A framework with a module that two front-ends have configured."""
    core = Driver(journalled=True)
    core.bring_up()
    core.give(NodeConfigured(MODULE, {"pue": "1.1", "inferences": "5"}))
    core.give(NodeConfigured(MODULE, {"pue": "1.2"}))
    return core


def test_a_new_process_has_the_settings_before_it_is_started() -> None:
    core = configured()
    respawn(core)
    core.beat(1.0)
    assert asked(core) == [{"inferences": "5", "pue": "1.2"}] and not started(core)
    answer(core)
    core.beat(0.5)
    assert started(core) and len(asked(core)) == 1
    assert "node.configured" in heard(core)


def test_one_that_does_not_answer_or_refuses_is_started_all_the_same() -> None:
    core = configured()
    respawn(core)
    core.beat(PATIENCE - 0.5)
    assert not started(core)
    core.beat(1.0)
    assert started(core)
    answer(core, ErrorCode.TIMEOUT, "no answer")
    assert "node.not_configured" in heard(core)
    respawn(core)
    answer(core, ErrorCode.INVALID_REQUEST, "pue is unknown")
    core.beat(0.5)
    assert started(core) and len(asked(core)) == 1


def test_one_that_is_configured_only_while_active_is_asked_again_then() -> None:
    core = configured()
    respawn(core)
    answer(core, ErrorCode.REJECTED, "it is not active")
    core.beat(0.5)
    assert started(core) and len(asked(core)) == 1
    core.status(MODULE, NodeStatus.INITIALIZING)
    core.status(MODULE, NodeStatus.IDLE)
    assert len(asked(core)) == 2
    answer(core, ErrorCode.REJECTED, "never")  # not for ever
    core.status(MODULE, NodeStatus.RUNNING)
    assert len(asked(core)) == 2 and "node.not_configured" in heard(core)


def test_with_several_instances_the_new_one_is_asked_again_when_it_is_active() -> None:
    """All of them serve one name: another one may have answered."""
    core = configured()
    core.forget()
    twin = "/sustainml/twin", 77
    core.give(StatusReceived(MODULE, *twin, 0, NodeStatus.INACTIVE))
    core.give(ConfigurationAnswered(MODULE, *twin))
    assert len(asked(core)) == 1
    core.give(StatusReceived(MODULE, *twin, 0, NodeStatus.IDLE))
    assert len(asked(core)) == 2


def name_of(core: Driver, module: str = MODULE) -> str:
    """The name of its present process."""
    (process,) = core.core.lifecycle.by_name[module].instances
    return process[0]


def test_parameters_that_were_set_come_back_as_well() -> None:
    core = configured()
    core.give(ParametersChanged(name_of(core), {"pue": "1.3", "grid": '"PL"'}))
    core.give(ParametersChanged(name_of(core, "hw_resources"), {"power": "1.0"}))
    core.give(ParametersChanged("/somewhere/else", {"pue": "9.9"}))
    respawn(core)
    assert asked(core) == [{"inferences": "5", "pue": "1.3", "grid": '"PL"'}]
    assert {"hw_resources", MODULE} == set(core.core.lifecycle.configurations.settings)


def test_a_parameter_that_is_no_setting_keeps_no_setting_from_a_new_process() -> None:
    core = configured()
    core.give(ParametersChanged(name_of(core), {"pue": "1.3", "shutter": "5"}))
    respawn(core)
    answer(core, ErrorCode.TIMEOUT, "no answer")
    respawn(core)
    answer(core, ErrorCode.INVALID_REQUEST, "unknown setting shutter")
    assert asked(core)[1:] == [{"inferences": "5", "pue": "1.3"}] and not started(core)
    answer(core)
    core.beat(0.5)
    assert started(core) and heard(core).count("node.not_configured") == 2
    core.give(ParametersChanged(name_of(core), {"grid": '"PL"'}))
    respawn(core)
    answer(core)
    respawn(core)
    answer(core, ErrorCode.INVALID_REQUEST, "pue is too small")  # was accepted: not forgotten
    core.beat(0.5)
    assert started(core) and len(asked(core)) == 1
    assert "grid" in core.core.lifecycle.configurations.settings[MODULE]


def test_a_parameter_of_one_of_several_instances_is_its_own() -> None:
    core = configured()
    core.give(StatusReceived(MODULE, "/sustainml/twin", 77, 0, NodeStatus.IDLE))
    for name in (MODULE, "twin"):
        core.give(ParametersChanged(f"/sustainml/{name}", {"pue": "1.9"}))
    assert core.core.lifecycle.configurations.settings[MODULE]["pue"] == "1.2"


def test_a_running_process_is_left_alone_and_so_is_one_that_nobody_configured() -> None:
    core = configured()
    core.forget()
    core.incarnations["hw_resources"] += 1
    core.status("hw_resources", NodeStatus.INACTIVE)
    core.status(MODULE, NodeStatus.RUNNING)
    core.beat(5.0)
    assert not asked(core)
    late = Driver()
    late.give(Restored(configurations={MODULE: {"pue": "1.2"}}))
    late.status(MODULE, NodeStatus.IDLE)
    assert not asked(late), "it went on while the orchestrator was restarted"
    respawn(late)
    assert asked(late) == [{"pue": "1.2"}]


def test_settings_are_bounded_and_those_of_unknown_modules_are_none() -> None:
    core = configured()
    for number in range(5):
        core.give(NodeConfigured(MODULE, {f"key{number}": "x" * (MAX_SIZE // 4)}))
    core.give(NodeConfigured("nobody", {"a": "1"}))
    core.give(ConfigurationAnswered("nobody", "/nobody", 1))
    settings = core.core.lifecycle.configurations.settings
    assert list(settings) == [MODULE] and list(settings[MODULE]) == ["key2", "key3", "key4"]
