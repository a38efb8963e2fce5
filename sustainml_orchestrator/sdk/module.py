"""The class that module authors derive from."""

from __future__ import annotations

from collections.abc import Sequence

from sustainml_orchestrator.sdk.main import run
from sustainml_orchestrator.sdk.module_base import ModuleBase


class Module(ModuleBase):
    """A module of the pipeline: write ``process``, and the node around it is there.

    What else can be written, and the class attributes: see ``ModuleBase``.
    """

    @classmethod
    def main(cls, args: Sequence[str] | None = None) -> None:
        """Run the node until it is told to end; for console scripts and ``__main__``.

        Raises:
            SystemExit: always; code 0 after a signal or TERMINATE_NODE.
        """
        raise SystemExit(run(cls, args))
