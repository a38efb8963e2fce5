"""The orchestrator less all that shares the work of a module among instances, to see its cost.

With one instance of each module it does what the whole one does: `python -m bench.unshared`.
"""

from __future__ import annotations

from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.replicas import Modes
from sustainml_orchestrator.node.orchestrator_node import main


def _cut_out() -> None:
    """What the core asks for each step, status and tick where there might be several instances."""
    Node.addressed = False  # type: ignore[assignment, method-assign]
    for cls, name in ((Modes, "work_off"), (Modes, "confirm"), (Orchestrator, "_assign")):
        if name not in vars(cls):
            raise AttributeError(f"{cls.__name__} has no {name} any more: correct this file")
        setattr(cls, name, lambda *_: None)


if __name__ == "__main__":
    _cut_out()
    main()
