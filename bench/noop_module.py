"""A module that does nothing, made with the SDK: `python -m bench.noop_module ROLE`."""

from __future__ import annotations

import sys
from typing import Any

from bench import work
from sustainml_orchestrator.sdk import Module


class NoOp(Module):
    def process(self, task: Any, inputs: Any) -> Any:
        return work.answer(self.module, work.about(self.module, inputs))


if __name__ == "__main__":
    type("NoOp", (NoOp,), {"module": sys.argv[1]}).main()
