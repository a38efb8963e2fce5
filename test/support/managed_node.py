"""The managed node of the examples, which can be made to refuse, or to hang in, its configuration.

Environment variables:
    REFUSE_TO_CONFIGURE: it refuses to be configured while this file is there.
    HANG_IN_CONFIGURE: it renames this file to `….seen` and hangs when it is there.
"""

import os
import runpy
import time
from contextlib import suppress
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import TransitionCallbackReturn

EXAMPLE = Path(__file__).parents[2] / "examples" / "managed_module.py"


class Refusing(runpy.run_path(str(EXAMPLE))["Managed"]):
    def on_configure(self, state):
        if Path(os.environ["REFUSE_TO_CONFIGURE"]).exists():
            return TransitionCallbackReturn.FAILURE
        hang = Path(os.environ["HANG_IN_CONFIGURE"])
        if hang.exists():
            hang.rename(f"{hang}.seen")
            time.sleep(1000.0)
        return super().on_configure(state)


rclpy.init()
with suppress(KeyboardInterrupt, ExternalShutdownException):
    rclpy.spin(Refusing())
