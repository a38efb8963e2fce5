"""`sustainml rest`: the server of the original front-end, and the REST interface."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sustainml_orchestrator.cli.console import divert_foreign_output, out
from sustainml_orchestrator.cli.context import Failure, options
from sustainml_orchestrator.contract.exit_codes import ExitCode
from sustainml_orchestrator.contract.middleware import MiddlewareError
from sustainml_orchestrator.core.text import cause
from sustainml_orchestrator.processes.fork_server import python_command
from sustainml_orchestrator.processes.programs import Program

if TYPE_CHECKING:
    from sustainml_orchestrator.client import OrchestratorClient
    from sustainml_orchestrator.client.live import Live
    from sustainml_orchestrator.rest.security import Access

DEFAULT_PORT = 5001
#: Where saved tasks are, unless an option or the user's data directory says so.
_FOLDER_VARIABLE = "SUSTAINML_DB_PATH"
TOKEN_VARIABLE = "SUSTAINML_TOKEN"
_TOKEN = re.compile(r"[\x21-\x7e]{8,200}")

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 = a free one.")]
Host = Annotated[str, typer.Option(help="Address to listen to.")]
_TOKEN_HELP = f"What each request must bring, as Authorization: Bearer; else {TOKEN_VARIABLE}."
Token = Annotated[str, typer.Option(help=_TOKEN_HELP, show_default=False)]
_SAVED_HELP = f"Folder of saved tasks; else {_FOLDER_VARIABLE}, else below ~/.local/share."
Saved = Annotated[Path | None, typer.Option(metavar="FOLDER", help=_SAVED_HELP)]


def rest(
    port: Port = DEFAULT_PORT, host: Host = "127.0.0.1", token: Token = "", saved: Saved = None
) -> None:
    """Serve the original SustainML front-end, and the REST interface.

    The Qt front-end of the SustainML Framework needs no change: it looks for its server at
    http://127.0.0.1:5001. The REST interface is at /api/v1, described at /api/v1/openapi.json;
    /metrics is for Prometheus. Runs until Ctrl-C, with or without an orchestrator.

    sustainml rest

    sustainml rest --port 8081
    """
    try:
        from sustainml_orchestrator.rest.security import Access
        from sustainml_orchestrator.rest.serving import AddressError, listen
    except MiddlewareError:
        raise
    except ImportError as error:
        text = f"the HTTP packages are missing ({error}); install requirements/web.txt"
        raise Failure(text, ExitCode.CONFIGURATION) from error
    secret = checked_token(token)
    try:
        listener = listen(host, port, secret, "--port")
    except AddressError as error:
        raise Failure(str(error), ExitCode.CANNOT_LISTEN) from error
    with listener:
        access = Access(host, secret, open_paths=("/healthz", "/readyz"))
        _serve(listener, access, saved or _folder())


def program(namespace: str, port: int) -> Program:
    """`sustainml rest` as a process to supervise."""
    words = ("--namespace", namespace, "rest", "--port", str(port))
    return Program("rest", (*python_command("sustainml_orchestrator.cli"), *words))


def checked_token(given: str) -> str:
    """The token of an option, else of the environment; "" = none.

    Raises:
        typer.BadParameter: it is too short, or cannot stand in a header.
    """
    token = given or os.environ.get(TOKEN_VARIABLE, "")
    if token and not _TOKEN.fullmatch(token):
        raise typer.BadParameter("a token is 8 to 200 letters, digits and signs without blanks")
    return token


def _serve(listener: Any, access: Access, folder: Path) -> None:
    from sustainml_orchestrator.client import ClientError, OrchestratorClient
    from sustainml_orchestrator.client.live import Live
    from sustainml_orchestrator.contract import discovery
    from sustainml_orchestrator.rest.serving import Server

    divert_foreign_output()
    discovery.prefer_profile()
    ends: list[Callable[[], None]] = []
    try:
        with (
            OrchestratorClient(options.namespace, timeout=options.timeout) as client,
            Live(client) as live,
        ):

            def stop() -> None:
                for end in ends:
                    end()

            app = _app(client, live, folder, access, stop)
            server = Server(app, listener)
            ends.append(server.stop)
            shown = f"[{access.host}]" if ":" in access.host else access.host
            out.say(f"serving http://{shown}:{server.port}; end with Ctrl-C")
            server.run()
    except ClientError as error:
        raise Failure(error.message, name=error.code.name, error_code=int(error.code)) from error


def _app(
    client: OrchestratorClient, live: Live, folder: Path, access: Access, stop: Callable[[], None]
) -> Any:
    from sustainml_orchestrator.compat.server import create_app

    return create_app(client, live, folder, stop=stop, access=access)


def _folder() -> Path:
    given = os.environ.get(_FOLDER_VARIABLE)
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    try:
        return Path(given or f"{data}/sustainml/saved").expanduser().absolute()
    except (RuntimeError, OSError) as error:
        raise Failure(
            f"there is no home directory for saved tasks ({cause(error)}); use --saved"
        ) from error
