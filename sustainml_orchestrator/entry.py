"""Where the executables of nodes begin: `orchestrator`, and one name for each reference module.

While a node is imported, a signal to end ends the process without a traceback, and soon: there is
nothing to be ended in order, and seven imports at a time may take longer than a launch waits.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from sustainml_orchestrator.contract import signals
from sustainml_orchestrator.contract.complaint import complain
from sustainml_orchestrator.contract.exit_codes import ExitCode
from sustainml_orchestrator.contract.middleware import explain

#: Longest time from the signal to the end, in s. A launch sends its signal after that of the
#: terminal; it reports a failure of processes that end in between.
_GRACE = 1.0


def __getattr__(name: str) -> Callable[[], Any]:
    """The main function of an executable, imported when it is called."""
    if name.startswith("_"):
        raise AttributeError(name)
    return lambda: _main(name)()


def _main(name: str) -> Any:
    asked = False

    def end(_: int) -> None:
        nonlocal asked
        if asked:
            os._exit(0)
        asked = True
        signal.setitimer(signal.ITIMER_REAL, _GRACE)

    before = signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signals.on_end(end)
    room = "node.orchestrator_node" if name == "orchestrator" else f"reference_modules.{name}"
    try:
        main = importlib.import_module(f"sustainml_orchestrator.{room}").main
    except ImportError as error:
        complain(explain(error))
        sys.exit(ExitCode.CONFIGURATION)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals.ENDING)  # until `main` handles them
    if asked:
        os._exit(0)
    signal.signal(signal.SIGALRM, before)
    return main
