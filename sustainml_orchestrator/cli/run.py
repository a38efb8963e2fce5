"""`sustainml up` and `demo`: the whole framework as processes of this machine."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sustainml_orchestrator.cli.context import EXIT_FAILED, connected, err, options, out
from sustainml_orchestrator.supervisor import MODULES, Supervisor, programs

#: Domains that a demo may take: all but the low ones that people use (up to 101 is safe on Linux).
_DEMO_DOMAINS = range(30, 102)
_START_TIMEOUT = 30.0
_TASK_TIMEOUT = 60.0


class _Ended(Exception):
    """SIGTERM or SIGINT came."""


@contextmanager
def _signals() -> Iterator[None]:
    """SIGINT and SIGTERM end the block in an orderly way; a second one changes nothing."""

    def end(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise _Ended

    before = {n: signal.signal(n, end) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def up(
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="MODULE", help="Leave it out: you run your own."),
    ] = None,
    params: Annotated[
        Path | None, typer.Option(exists=True, help="Parameter file of the orchestrator.")
    ] = None,
    pipeline: Annotated[
        Path | None, typer.Option(exists=True, help="Module graph, instead of the default one.")
    ] = None,
    journal: Annotated[str, typer.Option(help="File that keeps the database.")] = "",
    isolation: Annotated[str, typer.Option(help="Where user code runs: process or thread.")] = (
        "process"
    ),
    log_level: Annotated[str, typer.Option(help="debug, info, warn, error or fatal.")] = "info",
) -> None:
    """Start the orchestrator and its modules; until Ctrl-C.

    What dies is started again. ROS_DOMAIN_ID and ROS_AUTOMATIC_DISCOVERY_RANGE are honoured;
    without the latter, this machine alone is reached.
    """
    for name in without or []:
        if name not in MODULES:
            raise typer.BadParameter(f"'{name}' is no module; use one of: {', '.join(MODULES)}")
    if isolation not in ("process", "thread"):
        raise typer.BadParameter("--isolation is 'process' or 'thread'")
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    children = programs(
        namespace=options.namespace,
        without=without or [],
        params_file=str(params or ""),
        pipeline_file=str(pipeline or ""),
        journal=journal,
        isolation=isolation,
        log_level=log_level,
    )
    try:
        with _signals(), Supervisor(children, _tell) as supervisor:
            _announce(supervisor)
            while True:
                supervisor.poll()
                if "orchestrator" in supervisor.given_up:
                    err.print("[red]error:[/] the orchestrator does not stay up; see above")
                    raise typer.Exit(EXIT_FAILED)
                time.sleep(0.1)
    except _Ended:
        out.print("ended", highlight=False)


def _tell(name: str, text: str) -> None:
    out.print(f"[{name}] {text}", markup=False, highlight=False, soft_wrap=True)


def _announce(supervisor: Supervisor) -> None:
    """Say when the system is ready, and how to go on."""
    from sustainml_orchestrator.client import ClientError, OrchestratorClient

    deadline = time.monotonic() + _START_TIMEOUT
    with OrchestratorClient(options.namespace) as client:
        while time.monotonic() < deadline:
            supervisor.poll()
            try:
                client.wait_until_ready(0.3)
            except ClientError as error:
                reason = error.message
                continue
            _tell("up", 'ready: in another terminal, try `sustainml submit -d "…" --watch`')
            return
        _tell("up", f"not ready yet, going on: {reason}")


def examples() -> list[Path]:
    """The problems that come with the package."""
    from sustainml_orchestrator.ros.node import _share

    return sorted((_share() / "config" / "examples").glob("*.yaml"))


def demo(
    files: Annotated[
        list[Path] | None, typer.Argument(exists=True, help="Problems; none = the examples.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the nodes' logs.")] = False,
) -> None:
    """Start the framework, solve three problems at the same time, show what came out, and end."""
    from sustainml_orchestrator.cli import problems
    from sustainml_orchestrator.cli.submit import follow

    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ["ROS_DOMAIN_ID"] = str(random.SystemRandom().choice(_DEMO_DOMAINS))
    options.namespace = f"/sustainml_demo_{os.getpid()}"
    if not (files or examples()):
        raise typer.BadParameter("the package has no config/examples; name a problem file")
    inputs = [problems.to_message(problems.read(str(p))) for p in files or examples()]
    lines: list[str] = []

    def tell(name: str, text: str) -> None:
        if verbose:
            _tell(name, text)
        elif name == "up":
            lines.append(text)

    try:
        with _signals(), Supervisor(programs(namespace=options.namespace), tell) as supervisor:
            with connected() as client:
                out.print("starting the orchestrator and six modules …")
                began = time.monotonic()
                client.wait_until_ready(_START_TIMEOUT)
                out.print(f"ready after {time.monotonic() - began:.1f} s", highlight=False)
                tasks = [client.start_task(m, extra_data=extra) for m, extra in inputs]
                succeeded = follow(client, tasks, _TASK_TIMEOUT)
            for line in lines:
                err.print(line, markup=False)
            if not succeeded or supervisor.given_up:
                raise typer.Exit(EXIT_FAILED)
    except _Ended:
        err.print("ended on request")
        raise typer.Exit(130) from None
