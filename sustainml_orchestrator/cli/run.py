"""`sustainml up` and `demo`: the whole framework as processes of this machine."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from sustainml_orchestrator.cli.console import err, harmless, line, out
from sustainml_orchestrator.cli.context import (
    EXIT_FAILED,
    EXIT_UNREACHABLE,
    Failure,
    connected,
    options,
)
from sustainml_orchestrator.cli.problems import explain_yaml
from sustainml_orchestrator.contract import domain, log_directory
from sustainml_orchestrator.contract.signals import EndRequest
from sustainml_orchestrator.node import service_manager
from sustainml_orchestrator.processes import node_forker
from sustainml_orchestrator.processes.programs import MODULES, programs
from sustainml_orchestrator.processes.supervisor import Supervisor
from sustainml_orchestrator.storage.location import USUAL_PLACE

if TYPE_CHECKING:
    from sustainml_msgs.msg import UserInput

    from sustainml_orchestrator.client import OrchestratorClient
    from sustainml_orchestrator.core.ids import TaskId

#: Domains that a demo may take: all but the low ones that people use.
_DEMO_DOMAINS = range(30, domain.LAST_SAFE + 1)
#: An orchestrator that runs already has shown itself by then, in s.
_LOOK_AROUND = 5.0
_START_TIMEOUT = 60.0
_TASK_TIMEOUT = 60.0
#: Lines of the processes that a failed demo shows.
_TAIL = 40

LogLevel = Enum(
    "LogLevel",
    {"debug": "debug", "info": "info", "warn": "warn", "error": "error", "fatal": "fatal"},
)
Isolation = Enum("Isolation", {"process": "process", "thread": "thread"})


def up(
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="MODULE", help="Leave it out: you run your own."),
    ] = None,
    params: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="ROS parameter file, for all.")
    ] = None,
    pipeline: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Module graph, instead of the default one."),
    ] = None,
    journal: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="File that keeps the database; auto = the usual place, none = memory only.",
        ),
    ] = "",
    isolation: Annotated[
        Isolation | None, typer.Option(help="Where the modules run user code.")
    ] = None,
    log_level: Annotated[LogLevel, typer.Option(help="What the nodes log.")] = LogLevel.info,
) -> None:
    """Start the orchestrator and its modules; until Ctrl-C.

    What dies is started again; the database is kept in a file, so that it goes on where it was,
    next time too. ROS_DOMAIN_ID and ROS_AUTOMATIC_DISCOVERY_RANGE are honoured;
    without the latter, this machine alone is reached.

    sustainml up

    sustainml up --without hw_resources    # and run your own: python examples/my_module.py
    """
    for name in without or []:
        if name not in MODULES:
            close = get_close_matches(name, MODULES, 1)
            hint = f"did you mean {close[0]}?" if close else f"use one of: {', '.join(MODULES)}"
            raise typer.BadParameter(f"'{name}' is no module; {hint}")
    paths = journal, str(params or ""), str(pipeline or "")
    for path in paths:
        if re.search("[\ud800-\udfff]", path):
            raise typer.BadParameter(f"the path '{path}' is not valid UTF-8; rename it")
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    children = programs(
        namespace=options.namespace,
        without=without or [],
        params_file=paths[1],
        pipeline_file=paths[2],
        journal=journal or ("" if params and _names_journal(params) else USUAL_PLACE),
        isolation=isolation.value if isolation else "",
        log_level=log_level.value,
    )
    _look_around()
    try:
        log_directory.ensure()  # here, so that it is told once and not by each node
    except OSError as error:
        raise Failure(str(error)) from error
    # From here on a signal raises nothing: whatever lock is held, what is begun can be finished.
    request = EndRequest()
    with service_manager.Listener() as news:
        told = {service_manager.VARIABLE: news.address}
        with Supervisor(children, _tell, told, node_forker.take()) as supervisor:
            _announce(supervisor, news, request)
            while not request.signal and supervisor.keeps("orchestrator"):
                supervisor.wait_for_news(request)
    if request.signal:
        _tell("up", "ended")
        return
    raise Failure("the orchestrator does not stay up; see the lines above")


def _names_journal(params: Path) -> bool:
    """Whether a parameter file sets `journal_path`, which must not be overridden then."""
    import yaml

    def keys(data: Any) -> Iterator[Any]:
        for key, value in data.items() if isinstance(data, dict) else ():
            yield key
            yield from keys(value)

    try:
        return "journal_path" in keys(yaml.safe_load(params.read_bytes()))
    except (yaml.YAMLError, RecursionError, OSError) as error:
        raise typer.BadParameter(f"{params} cannot be read: {explain_yaml(error)}") from error


def _tell(name: str, text: str) -> None:
    with suppress(SystemExit):  # nobody reads it any more; the system goes on
        out.print(line(f"[{name}] "), Text(harmless(text, keep="\t")), sep="", soft_wrap=True)


def _look_around() -> None:
    """See that nobody is here yet: twice the same modules would do every task twice.

    Raises:
        typer.Exit: somebody is, or ROS cannot be used.
    """
    from importlib.util import find_spec

    if find_spec("rclpy") is None:
        raise Failure("there is no rclpy; source the environment first: . ./env.sh")
    try:
        claim = domain.Claim(options.namespace)
    except ValueError as error:
        raise Failure(f"ROS cannot start: {error}", EXIT_UNREACHABLE) from error
    claim.close()
    if claim.is_ours is False or not (domain.is_local() or _is_alone()):
        raise Failure(
            f"an orchestrator runs already in namespace {options.namespace} and domain "
            f"{domain.current()}; use it, or set another ROS_DOMAIN_ID or --namespace"
        )


def _is_alone() -> bool:
    """Whether there is no orchestrator on any machine that can be reached."""
    from sustainml_orchestrator.client import OrchestratorUnavailable

    with connected() as client:
        if client.is_alone():
            return True
        try:
            client.system_state(_LOOK_AROUND)
        except OrchestratorUnavailable:
            return True
    return False


def _announce(supervisor: Supervisor, news: service_manager.Listener, request: EndRequest) -> None:
    """Say when the system is ready, and how to go on."""
    remind_at = time.monotonic() + _START_TIMEOUT
    reason = "the orchestrator does not answer"
    while not request.signal and supervisor.keeps("orchestrator"):
        told = news.receive(0.5)
        if told is not None:
            ready, reason = told
            if ready:
                _tell("up", 'ready; in another terminal: sustainml submit --define "…" --watch')
                return
        if time.monotonic() > remind_at:
            remind_at = float("inf")
            _tell("up", f"not ready after {_START_TIMEOUT:g} s, going on: {reason}")


def demo(
    files: Annotated[
        list[Path] | None, typer.Argument(exists=True, help="Problems; none = the examples.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the nodes' logs.")] = False,
) -> None:
    """Start the framework, solve three problems at the same time, optimise the first, and end.

    It runs in a domain of its own on this machine: nothing else is touched, nothing is left.

    sustainml demo
    """
    from sustainml_orchestrator.cli import problems

    given = [problems.read(str(path)) for path in files or examples()]
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    try:
        os.environ["ROS_DOMAIN_ID"] = str(domain.free(_DEMO_DOMAINS))
    except LookupError as error:
        raise typer.BadParameter(f"{error} on this machine") from error
    for name in ("ROS_STATIC_PEERS", "ROS_DISCOVERY_SERVER", "ROS_LOCALHOST_ONLY"):
        os.environ.pop(name, None)
    options.namespace = f"/sustainml_demo_{os.getpid()}"
    tail: deque[tuple[str, str]] = deque(maxlen=_TAIL)

    def tell(name: str, text: str) -> None:
        _tell(name, text) if verbose else tail.append((name, text))

    out.say("starting the orchestrator and six modules …")
    succeeded = False
    try:
        children = programs(namespace=options.namespace)
        with Supervisor(children, tell, forker=node_forker.take()):
            # Converted while they start: this loads ROS, too.
            inputs = [problems.to_message(fields) for fields in given]
            succeeded = _solve(inputs)
    finally:
        if not succeeded:
            for name, text in tail:
                err.say(f"[{name}] {text}")
    if not succeeded:
        raise typer.Exit(EXIT_FAILED)


def _solve(inputs: list[tuple[UserInput, dict[str, object]]]) -> bool:
    from sustainml_orchestrator.cli.submit import follow

    began = time.monotonic()
    with connected() as client:
        client.wait_until_ready(_START_TIMEOUT)
        took = f"{time.monotonic() - began:.1f} s"
        out.say(f"ready after {took}; submitting {len(inputs)} problems")
        tasks = [client.start_task(message, extra_data=extra) for message, extra in inputs]
        return follow(client, tasks, _TASK_TIMEOUT) and _optimise(client, tasks[0], *inputs[0])


def _optimise(
    client: OrchestratorClient, solved: TaskId, message: UserInput, extra: dict[str, object]
) -> bool:
    """Solve a problem again, down to half the carbon of the solution that it has."""
    from sustainml_orchestrator.cli.descent import Descent
    from sustainml_orchestrator.core.ids import TaskStatus

    target = client.get_task(solved).summary.carbon_footprint / 2
    message.optimize_carbon_footprint_auto, message.desired_carbon_footprint = True, target
    out.say(f"optimising the problem of {solved} to half the carbon:")
    task = client.start_task(message, extra_data=extra)
    with Descent(target) as descent:
        for summary in client.watch([task], timeout=_TASK_TIMEOUT):
            descent.show(summary)
    out.say(summary.outcome_reason)
    return bool(summary.task_status == TaskStatus.SUCCEEDED)


def examples() -> list[Path]:
    """The problems that come with the package."""
    from sustainml_orchestrator.reference_modules.catalog import directory

    found = sorted((directory().parent / "examples").glob("*.yaml"))
    if not found:
        raise typer.BadParameter("the package has no config/examples; name a problem FILE")
    return found
