"""The clocks of a step, from which its deadlines are read.

They count the time that passes, except while the module is stopped on purpose, and while the
orchestrator does not run or stands still. They go on after a restart: the times are saved with the
record of the step, first after 1 s and then ever more seldom, so that a step of some ms costs no
commit, and a crash forgets at most half of the time since the orchestrator started.
"""

from __future__ import annotations

from sustainml_orchestrator.core.ids import NodeStatus
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.states import StepState
from sustainml_orchestrator.core.step import Step

#: Longest time between two times of saving, in s.
_SAVING = 60.0

#: Times are saved as whole numbers of this, in s; bits for `waited`, `worked` and `absent`.
_UNIT = 0.25
_BITS = (22, 24, 17)


def start(step: Step) -> None:
    """A new try has all the time again."""
    step.waited = step.worked = 0.0


def begin_anew(step: Step) -> None:
    """Work on the try ended without a result; its time counts as waiting."""
    step.waited += step.worked
    step.worked = 0.0


def count(step: Step, node: Node, elapsed: float) -> bool:
    """Let so many s pass for an open step; True when its times should be saved."""
    if not node.desired_active:
        return False
    # One that worked is taken to go on until the module says otherwise, even if asked again.
    if step.worked or step.state is StepState.RUNNING:
        step.worked += elapsed
    else:
        step.waited += elapsed
    if node.active:
        step.absent = 0.0
    elif node.status is not NodeStatus.INITIALIZING:  # that has a deadline of its own
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
    """Set the times of a step as they were saved; nothing when the number is above 0."""
    rest, times = max(-packed, 0), []
    for bits in reversed(_BITS):
        times.append((rest & (1 << bits) - 1) * _UNIT)
        rest >>= bits
    step.absent, step.worked, step.waited = times
