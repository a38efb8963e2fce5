"""`sustainml up` ends in time and leaves nothing, at whatever moment a signal arrives."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from support.system import wait_for
from support.up_process import Up

#: Ended by itself, by the shell's codes for signals, or by the signal before it was handled.
CODES = {
    signal.SIGINT: {0, 128 + signal.SIGINT, -signal.SIGINT},
    signal.SIGTERM: {0, 128 + signal.SIGTERM, -signal.SIGTERM},
}
_random = random.Random(7)
#: Starting takes about 2 s where the machine is idle.
MOMENTS = [round(_random.uniform(0.2, 4.0), 2) for _ in range(6)]


@pytest.fixture
def up() -> Iterator[Up]:
    started = Up()
    yield started
    started.end()


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_at_any_moment_ends_it(up: Up, number: signal.Signals, moment: float) -> None:
    reader = threading.Thread(target=up.read_on, daemon=True)
    reader.start()
    time.sleep(moment)
    up.process.send_signal(number)
    assert up.process.wait(10.0) in CODES[number]
    wait_for(lambda: not up.family(), 2.0, "processes are left")
    reader.join(2.0)
    assert "Traceback" not in "".join(up.lines)
