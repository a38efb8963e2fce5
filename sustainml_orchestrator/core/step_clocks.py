"""The clocks of a step, against which its deadlines are checked.

They run except while the module is stopped on request, and while the orchestrator does not run.
They go on after a restart: the times are saved with the record of the step, first after 1 s and
then at growing intervals, so that a step of some ms costs no commit, and a crash loses at most half
of the time counted since the orchestrator started.
"""

from __future__ import annotations

from sustainml_orchestrator.core.ids import NodeStatus
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.states import StepState
from sustainml_orchestrator.core.step import Step

#: Longest interval between two saves of a running step, in s.
_SAVING = 60.0

#: Times are saved in units of this, in s; bits of `waited`, `worked` and `absent`.
_UNIT = 0.25
_BITS = (22, 24, 17)


def start(step: Step) -> None:
    """Begin a new try: its deadlines count from now."""
    step.waited = step.worked = 0.0


def begin_anew(step: Step) -> None:
    """The module stopped working on the try; its time counts as waiting."""
    step.waited += step.worked
    step.worked = 0.0


def count(step: Step, node: Node, elapsed: float) -> bool:
    """Add elapsed s to the clocks of an open step; True when they should be saved."""
    if not node.desired_active:
        return False
    # A step that was worked on counts so until its module reports otherwise.
    if step.worked or step.state is StepState.RUNNING:
        step.worked += elapsed
    else:
        step.waited += elapsed
    if node.active:
        step.absent = 0.0
    elif node.status is not NodeStatus.INITIALIZING:  # has a deadline of its own: start_timeout
        step.absent += elapsed
    step.counted += elapsed
    if step.counted < step.keep_at:
        return False
    step.keep_at = step.counted + min(step.counted, _SAVING)
    return True


def pack(step: Step) -> int:
    """The times of an open step as one number, not above 0."""
    packed = 0
    for seconds, bits in zip((step.waited, step.worked, step.absent), _BITS, strict=True):
        packed = packed << bits | min(int(seconds / _UNIT), (1 << bits) - 1)
    return -packed


def unpack(step: Step, packed: int) -> None:
    """Set the times of a step from `pack`; no times when the number is above 0."""
    rest, times = max(-packed, 0), []
    for bits in reversed(_BITS):
        times.append((rest & (1 << bits) - 1) * _UNIT)
        rest >>= bits
    step.absent, step.worked, step.waited = times
