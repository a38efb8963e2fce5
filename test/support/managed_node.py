"""The managed node of the examples, which refuses to be configured while a file is there."""

import os
import runpy
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
        return super().on_configure(state)


rclpy.init()
with suppress(KeyboardInterrupt, ExternalShutdownException):
    rclpy.spin(Refusing())
