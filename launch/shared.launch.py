"""What the launch files share: checks before the start, and exits after which the launch ends.

Arguments that are given override the file of parameters; those left empty leave it alone. For this
the launch configuration `overrides_file` names a file of parameters, which nodes read last. The
enclaves of SROS 2 are below `enclaves`.
"""

from __future__ import annotations

import atexit
import json
import tempfile
from pathlib import Path

import yaml
from launch.actions import EmitEvent, LogInfo, OpaqueFunction, RegisterEventHandler
from launch.actions import SetLaunchConfiguration as Set
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited

from launch import LaunchContext, LaunchDescription
from sustainml_orchestrator.contract import domain, names
from sustainml_orchestrator.contract.claim import Claim
from sustainml_orchestrator.contract.enclaves import enclave
from sustainml_orchestrator.contract.exit_codes import PERMANENT, ExitCode

#: Arguments that are files, and arguments that are parameters.
_FILES = ("params_file", "pipeline_file")
_PARAMETERS = ("pipeline_file", "journal_path", "isolation")
#: Every node. Of the sections that match a node that one wins which all files together name last;
#: launch itself names `/**` first, so that a section of params_file would win over it.
_EVERY_NODE = "/**/*"


def _prepare(context: LaunchContext) -> list[Set]:
    """Check the files, and write the parameters that arguments give.

    Raises:
        RuntimeError: a file does not exist (launch would leave it out and go on), or another
            orchestrator has the place.
    """
    # As `sustainml up` does it: on a network only for who asks for one.
    context.environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    given = {name: value for name, value in context.launch_configurations.items() if value}
    for name in _FILES:
        if name in given and not Path(given[name]).is_file():
            text = f"{name} is '{given[name]}', which is no file; correct it or leave it out"
            raise RuntimeError(text)
    _check_place(given.get("namespace", names.DEFAULT_NAMESPACE))
    if "journal_path" not in given and not _names_journal(given.get("params_file", "")):
        given["journal_path"] = "auto"
    overrides = {name: given[name] for name in _PARAMETERS if name in given}
    if "pipeline_file" in given:
        overrides["pipeline_file"] = str(Path(given["pipeline_file"]).absolute())
    with tempfile.NamedTemporaryFile(
        "w", prefix="sustainml_", suffix=".yaml", delete=False
    ) as file:
        # JSON is YAML, and keeps texts such as 1e3 texts.
        file.write(json.dumps({_EVERY_NODE: {"ros__parameters": overrides}}))
    # Not at the shutdown of the launch: processes that are just starting read it after that.
    atexit.register(Path(file.name).unlink, missing_ok=True)
    # As read by those that do not read the file.
    journal = [Set("journal_path", given["journal_path"])] if "journal_path" in given else []
    enclaves = enclave(given.get("namespace", names.DEFAULT_NAMESPACE), "").rstrip("/")
    return [Set("overrides_file", file.name), Set("enclaves", enclaves), *journal]


def _check_place(namespace: str) -> None:
    """Refuse a second launch before its modules disturb those of the first.

    Raises:
        RuntimeError: another orchestrator of this machine has the namespace.
    """
    claim = Claim(namespace)
    claim.close()
    if claim.is_ours is False:
        raise RuntimeError(
            f"another orchestrator of this machine is active in namespace {namespace}, domain "
            f"{domain.current()}; stop it, or choose another namespace:= or ROS_DOMAIN_ID"
        )


def _names_journal(params_file: str) -> bool:
    """Whether a file of parameters says where the database is kept."""
    if not params_file:
        return False
    try:
        sections = [yaml.safe_load(Path(params_file).read_text(encoding="utf-8"))]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RuntimeError(f"params_file is '{params_file}', which is no YAML: {error}") from error
    while sections:
        section = sections.pop()
        if isinstance(section, dict):
            if section.get("journal_path"):
                return True
            sections += section.values()
    return False


def _ended(event: ProcessExited, _: LaunchContext) -> list[LogInfo | EmitEvent] | None:
    """End the launch where starting the process again cannot help."""
    if event.returncode not in PERMANENT:
        return None
    reason = (
        f"{event.process_name} ended with {event.returncode} "
        f"({ExitCode(event.returncode).name}), which a restart does not cure: correct what it "
        "says above, and launch again"
    )
    return [LogInfo(msg=reason), EmitEvent(event=Shutdown(reason=reason))]


def generate_launch_description() -> LaunchDescription:
    """The checks and the handler of exits."""
    return LaunchDescription(
        [
            OpaqueFunction(function=_prepare),
            RegisterEventHandler(OnProcessExit(on_exit=_ended)),
        ]
    )
