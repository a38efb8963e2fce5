"""`sustainml up` and `demo`: the whole framework as processes of this machine."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sustainml_orchestrator.cli import background, web
from sustainml_orchestrator.cli import rest as rest_server
from sustainml_orchestrator.cli.console import err, out, printed
from sustainml_orchestrator.cli.context import (
    EXIT_FAILED,
    EXIT_UNREACHABLE,
    Failure,
    connected,
    options,
)  # fmt: skip
from sustainml_orchestrator.cli.started import started
from sustainml_orchestrator.cli.up_log import UpLog
from sustainml_orchestrator.contract import domain, log_directory
from sustainml_orchestrator.contract.claim import Claim
from sustainml_orchestrator.contract.exit_codes import ExitCode
from sustainml_orchestrator.contract.problem_input import explain_yaml
from sustainml_orchestrator.contract.signals import EndRequest
from sustainml_orchestrator.core.text import cause
from sustainml_orchestrator.node import service_manager
from sustainml_orchestrator.processes import node_forker
from sustainml_orchestrator.processes.programs import Program, programs
from sustainml_orchestrator.processes.supervisor import Supervisor
from sustainml_orchestrator.storage.errors import JournalError
from sustainml_orchestrator.storage.location import MEMORY_ONLY, USUAL_PLACE

if TYPE_CHECKING:
    from sustainml_msgs.msg import UserInput

    from sustainml_orchestrator.client import OrchestratorClient
    from sustainml_orchestrator.core.ids import TaskId

#: Domains that a demo may take: all but the low ones that people use.
_DEMO_DOMAINS = range(30, domain.LAST_SAFE + 1)
#: An orchestrator on another machine is discovered within this time, in s.
_DISCOVERY_TIME = 5.0
_START_TIMEOUT = 60.0
_NOTIFY_TIMEOUT = 1.0  # s, for systemd to take a message
_TASK_TIMEOUT = 60.0
#: Of what the nodes log: time and process stand before it.
_FORMAT = "[{severity}] [{name}]: {message}"
#: Lines of the processes that a failed demo shows.
_TAIL = 40

LogLevel = Literal["debug", "info", "warn", "error", "fatal"]
Isolation = Literal["process", "thread"]

Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="MODULE", help="Do not start it: you run your own."),
]
_FILE = {"exists": True, "dir_okay": False}
Params = Annotated[Path | None, typer.Option(**_FILE, help="ROS parameter file for all nodes.")]
Pipeline = Annotated[
    Path | None, typer.Option(**_FILE, help="Module graph; the executables it names are started.")
]
Replicas = Annotated[
    list[str] | None,
    typer.Option("--replicas", metavar="MODULE=N", help="Start N instances, which share its work."),
]
_JOURNAL_HELP = "Database file; auto = below ROS_HOME or ~/.local/state, none = memory only."
Journal = Annotated[str, typer.Option(metavar="PATH", help=_JOURNAL_HELP)]
IsolationOption = Annotated[
    Isolation | None, typer.Option(help="Run user code of modules in a process or a thread.")
]
Rest = Annotated[bool, typer.Option("--rest", help="Also serve the original front-end and REST.")]
RestPort = Annotated[int, typer.Option(min=0, max=65535, help="Port of --rest; 0 = a free one.")]
Level = Annotated[LogLevel, typer.Option(help="Lowest severity that the nodes log.")]
WithWeb = Annotated[bool, typer.Option("--web/--no-web", help="Serve the web page.")]


def _detached(wanted: bool) -> None:
    if wanted:
        background.detach()
        raise typer.Exit


_DETACH_HELP = "Return when it is ready; it goes on."
Detach = Annotated[
    bool, typer.Option("--detach", callback=_detached, is_eager=True, help=_DETACH_HELP)
]
WebPort = Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 = a free one.")]
WebHost = Annotated[str, typer.Option(help="Its address; 0.0.0.0 = for other machines, by token.")]


def up(
    without: Without = None,
    params: Params = None,
    pipeline: Pipeline = None,
    replicas: Replicas = None,
    journal: Journal = "",
    isolation: IsolationOption = None,
    rest: Rest = False,
    rest_port: RestPort = rest_server.DEFAULT_PORT,
    log_level: Level = "info",
    with_web: WithWeb = True,
    web_port: WebPort = 8080,
    web_host: WebHost = web.LOOPBACK,
    detach: Detach = False,
) -> None:
    """Start the orchestrator, its modules and the web page.

    They run until Ctrl-C; processes that end are restarted. The database is kept in a file and
    used again at the next start. ROS_DOMAIN_ID and ROS_AUTOMATIC_DISCOVERY_RANGE are respected;
    the latter is LOCALHOST (this machine only) unless it is set. Exit codes from 64 to 78 are those
    of an orchestrator that no restart can help.

    sustainml up

    sustainml up --detach                  # in the background: then sustainml status, logs, down

    sustainml up --rest                    # with the server of the original front-end

    sustainml up --without hw_resources    # and run your own: python examples/my_module.py
    """
    given = _journal_file(journal), params or "", pipeline.absolute() if pipeline else ""
    paths = [_path(each) for each in given]
    place = paths[0] or ("" if params and _names_journal(params) else USUAL_PLACE)
    children = started(without or [], replicas or [], namespace=options.namespace,
                       params_file=paths[1], pipeline_file=paths[2], journal=place,
                       isolation=isolation or "", log_level=log_level)  # fmt: skip
    if rest:
        children.append(rest_server.program(options.namespace, rest_port))
    _supervise(children, _add_web(children, web_port, paths[2], web_host) if with_web else "")


def _add_web(children: list[Program], port: int, pipeline: str, host: str) -> str:
    """Have the web page served; return why it cannot be, or ""."""
    if lacking := web.lacking():
        return f"no web page: {lacking}"
    children.append(web.program(options.namespace, port, pipeline, host))
    return ""


def _journal_file(setting: str) -> str:
    """The whole path of a journal: other commands run in other folders."""
    if setting in ("", USUAL_PLACE, MEMORY_ONLY):
        return setting
    return str(Path(setting).expanduser().absolute())


def _path(path: Path | str) -> str:
    if re.search("[\ud800-\udfff]", text := str(path)):
        raise typer.BadParameter(f"the path '{text}' is not valid UTF-8; rename it")
    return text


def _supervise(children: list[Program], warning: str = "") -> None:
    """Keep the processes running until a signal asks for the end."""
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("RCUTILS_CONSOLE_OUTPUT_FORMAT", _FORMAT)
    _refuse_second_orchestrator()
    try:
        log_directory.ensure()  # a warning comes from here once, not from each node
    except OSError as error:
        raise Failure(cause(error)) from error
    # From here on a signal only sets a flag: an exception could come while a lock is held.
    request = EndRequest()
    background.write_run_file()
    with service_manager.Listener() as news, UpLog(_log_file()) as log:
        if warning:
            log("up", warning)
        variables = {service_manager.VARIABLE: news.address}
        with Supervisor(children, log, variables, node_forker.take(), request) as supervisor:
            _follow(supervisor, news, request, log)
        if request.signal:
            log("up", "ended")
    if not request.signal:
        code = supervisor.permanent_error("orchestrator")
        why = log.last.get("orchestrator", "").removeprefix("orchestrator: ") if code else ""
        why = JournalError(why or "it ended again and again; see the lines above").in_commands()
        raise Failure(f"the orchestrator cannot run: {why}", code or EXIT_FAILED)


def _log_file() -> Path | None:
    try:
        return background.place(".log")
    except OSError:  # the user has no home
        return None


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


def _refuse_second_orchestrator() -> None:
    """See that no orchestrator runs here: with two sets of modules each task would be done twice.

    Raises:
        Failure: one runs, or ROS cannot be used.
    """
    _require_ros()
    from sustainml_orchestrator.contract import discovery  # it loads packages of ROS

    try:
        claim = Claim(options.namespace)
    except ValueError as error:
        raise Failure(f"ROS cannot start: {error}", EXIT_UNREACHABLE) from error
    claim.close()
    if claim.is_ours is False or not (discovery.is_local() or _is_alone()):
        raise Failure(
            f"an orchestrator runs already in namespace {options.namespace} and domain "
            f"{domain.current()}; use it, or set another ROS_DOMAIN_ID or --namespace",
            ExitCode.NAME_TAKEN,
        )


def _require_ros() -> None:
    from importlib.util import find_spec

    for name in ("rclpy", "sustainml_msgs"):
        if find_spec(name) is None:
            raise Failure(f"there is no {name}; source the environment first: . ./env.sh")


def _is_alone() -> bool:
    """Whether no machine that can be reached runs an orchestrator in this namespace."""
    from sustainml_orchestrator.client import OrchestratorUnavailable

    with connected() as client:
        if client.is_alone():
            return True
        with suppress(OrchestratorUnavailable):
            client.system_state(_DISCOVERY_TIME)
            return False
    return True


def _follow(
    supervisor: Supervisor, news: service_manager.Listener, request: EndRequest, log: UpLog
) -> None:
    """Until the end: say when the system is ready, or once why it is not; tell systemd the same."""
    remind_at, was_ready = time.monotonic() + _START_TIMEOUT, False
    reason = "the orchestrator does not answer"
    while not request.signal and supervisor.keeps("orchestrator"):
        supervisor.wait_for_news(request, news, timeout=None if was_ready else 0.5)
        # A service manager that does not read makes each message take its time.
        while not request.signal and (message := news.receive(0)) is not None:
            service_manager.forward(message.text, _NOTIFY_TIMEOUT)
            ready, reason = message.ready, message.status or reason
            if ready and not was_ready:
                was_ready = True
                log("up", 'ready; in another terminal: sustainml submit --define "…" --watch')
        if not was_ready and time.monotonic() > remind_at:
            remind_at = float("inf")
            log("up", f"not ready after {_START_TIMEOUT:g} s, still waiting: {reason}")


Files = Annotated[
    list[Path] | None, typer.Argument(exists=True, help="Problems; by default three examples.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the logs of the nodes.")]


def demo(files: Files = None, verbose: Verbose = False) -> None:
    """Show the whole framework in half a minute.

    Starts it, solves three problems, optimises the first of them, and stops. It uses a free ROS
    domain and the loopback interface: no other ROS system is affected.

    sustainml demo
    """
    from sustainml_orchestrator.cli import problems

    _require_ros()
    given = [problems.read(str(path)) for path in files or examples()]
    _use_own_domain()
    tail: deque[tuple[str, str]] = deque(maxlen=_TAIL)

    def show(name: str, text: str) -> None:
        log(name, text) if verbose else tail.append((name, text))

    out.say("starting the orchestrator and six modules …")
    succeeded = False
    try:
        children = programs(namespace=options.namespace)
        with UpLog(None) as log, Supervisor(children, show, forker=node_forker.take()):
            # Here and not earlier: it loads ROS, while the nodes start.
            inputs = [problems.to_message(fields) for fields in given]
            succeeded = _solve(inputs)
    finally:
        if not succeeded:
            for name, text in tail:
                err.say(f"[{name}] {printed(text)}")
    if not succeeded:
        raise typer.Exit(EXIT_FAILED)


def _use_own_domain() -> None:
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    try:
        os.environ["ROS_DOMAIN_ID"] = str(domain.free(_DEMO_DOMAINS))
    except LookupError as error:
        raise Failure(f"{error} on this machine; end some ROS processes") from error
    for name in ("ROS_STATIC_PEERS", "ROS_DISCOVERY_SERVER", "ROS_LOCALHOST_ONLY"):
        os.environ.pop(name, None)
    options.namespace = f"/sustainml_demo_{os.getpid()}"


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
    """Solve a problem again, with half the carbon of its solution as target."""
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
