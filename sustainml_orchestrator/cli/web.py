"""`sustainml web`: the web page."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from sustainml_orchestrator.cli.console import out
from sustainml_orchestrator.cli.context import EXIT_UNREACHABLE, Failure, options
from sustainml_orchestrator.contract.exit_codes import ExitCode
from sustainml_orchestrator.processes.fork_server import python_command
from sustainml_orchestrator.processes.programs import Program

LOOPBACK = "127.0.0.1"
Host = Annotated[
    str, typer.Option(help="Address to listen on; with another than this machine's, a token.")
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 = a free one.")]
Token = Annotated[
    str,
    typer.Option(envvar="SUSTAINML_WEB_TOKEN", help="What users must give to log in.",
                 show_default=False),
]  # fmt: skip
AllowHost = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="NAME", help="Name under which it is reached, too."),
]
Pipeline = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Module graph to show.")
]


def web(
    host: Host = LOOPBACK,
    port: Port = 8080,
    token: Token = "",
    allow_host: AllowHost = None,
    pipeline: Pipeline = None,
) -> None:
    """Serve the web page until Ctrl-C.

    `sustainml up` does so, too. On an address that other machines reach, the page demands a
    token: that of --token or SUSTAINML_WEB_TOKEN, else one that is drawn and printed.

    sustainml web

    sustainml web --host 0.0.0.0 --port 8090
    """
    if text := lacking():
        raise Failure(text)
    from sustainml_orchestrator.client import ClientError
    from sustainml_orchestrator.contract import discovery
    from sustainml_orchestrator.core.pipeline import PipelineError
    from sustainml_orchestrator.web import server

    settings = server.Settings(
        options.namespace, host, port, token, tuple(allow_host or ()),
        str(pipeline or ""), options.timeout,
    )  # fmt: skip
    discovery.prefer_profile()
    try:
        server.serve(settings, _announce)
    except server.CannotListenError as error:
        raise Failure(str(error), ExitCode.CANNOT_LISTEN) from error
    except PipelineError as error:
        raise Failure(str(error), ExitCode.CONFIGURATION) from error
    except ClientError as error:
        raise Failure(error.message, EXIT_UNREACHABLE) from error


def lacking() -> str:
    """What must be installed before the page can be served, in a sentence; "" if nothing."""
    missing = [name for name in ("fastapi", "uvicorn", "websockets") if find_spec(name) is None]
    names = ", ".join(missing)
    return f"the web page needs {names}: pip install -r requirements/web.txt" if missing else ""


def program(namespace: str, port: int, pipeline_file: str, host: str = LOOPBACK) -> Program:
    """The web server as a process of `sustainml up`."""
    options = (
        *(("--host", host) if host != LOOPBACK else ()),
        "--port",
        str(port),
        *(("--pipeline", pipeline_file) if pipeline_file else ()),
    )
    command = python_command("sustainml_orchestrator.cli")
    return Program("web", (*command, "--namespace", namespace, "web", *options))


def _announce(address: str, token: str) -> None:
    out.say(f"web page: {address}")
    if token:
        out.say(f"token: {token}")
