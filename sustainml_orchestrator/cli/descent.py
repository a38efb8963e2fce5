"""Progress of an optimisation: one line per iteration with a carbon bar, and the target."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from sustainml_orchestrator.cli.console import harmless, out
from sustainml_orchestrator.cli.context import figure
from sustainml_orchestrator.cli.tables import name_of, running_step
from sustainml_orchestrator.core.ids import TaskStatus

_WIDTH = 24
_HEAD = f"{'':9}{'carbon':{_WIDTH}} (kgCO2e)  quality  model on hardware"
#: Bars are drawn in eighths of a character.
_EIGHTHS = " ▏▎▍▌▋▊▉"


class Descent:
    """Shows the iterations of one problem live; without a terminal, once at the end.

    Args:
        target: kgCO2e, 0 = none.
    """

    def __init__(self, target: float = 0.0) -> None:
        self._target = target
        self._summaries: dict[int, Any] = {}
        self._live = Live(console=out, refresh_per_second=8) if out.is_terminal else None

    def __enter__(self) -> Descent:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._summaries:
            out.print(self._picture())

    def show(self, summary: Any) -> None:
        """Show the latest summary of an iteration."""
        self._summaries[summary.task_id.iteration_id] = summary
        if self._live is not None:
            self._live.update(self._picture())

    def _picture(self) -> Group:
        """All iterations, and where the target lies."""
        known = [s.carbon_footprint for s in self._summaries.values()]
        most = max([self._target, *filter(math.isfinite, known)]) or 1.0
        lines = [Text(_HEAD, style="dim")]
        lines += [self._line(s, most) for _, s in sorted(self._summaries.items())]
        if self._target:
            indent = 9 + round(_WIDTH * self._target / most)
            text = f"{'':{indent}}▲ target: {figure(self._target)}"
            lines.append(Text(text, style="yellow"))
        return Group(*lines)

    def _line(self, summary: Any, most: float) -> Text:
        carbon = summary.carbon_footprint
        line = Text(f"{name_of(summary):>7}  ", no_wrap=True, overflow="ellipsis")
        if not math.isfinite(carbon):
            return line.append(f"{summary.progress:4.0%} {running_step(summary)}")
        good = not self._target or carbon <= self._target
        line.append(_bar(carbon / most), style="green" if good else "red")
        line.append(f" {figure(carbon):>8}  {figure(summary.quality):>7}  ", style="bold")
        line.append(harmless(f"{summary.model.rpartition('/')[2]} on {summary.hw_description}"))
        if TaskStatus(summary.task_status) is not TaskStatus.SUCCEEDED:
            line.append(f" ({running_step(summary)})")
        return line


def _bar(share: float) -> str:
    full, eighths = divmod(round(8 * _WIDTH * max(0.0, share)), 8)
    return f"{'█' * full}{_EIGHTHS[eighths] if eighths else ''}".ljust(_WIDTH)
