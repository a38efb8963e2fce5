"""Where the executables of nodes begin: `orchestrator`, and one name for each reference module.

Ctrl-C waits until the node can end in order: an import that it interrupts prints a traceback.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from sustainml_orchestrator.contract import signals

signals.hold()


def __getattr__(name: str) -> Callable[[], Any]:
    """The main function of an executable, imported when it is called."""
    if name.startswith("_"):
        raise AttributeError(name)
    return lambda: _main(name)()


def _main(name: str) -> Any:
    room = "node.orchestrator_node" if name == "orchestrator" else f"reference_modules.{name}"
    return importlib.import_module(f"sustainml_orchestrator.{room}").main
