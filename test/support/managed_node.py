"""The managed node of the examples, which refuses to be configured while a file is there."""

import os
import sys
from pathlib import Path

from rclpy.lifecycle import TransitionCallbackReturn

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
import managed_module


class Refusing(managed_module.Managed):
    def on_configure(self, state):
        if Path(os.environ["REFUSE_TO_CONFIGURE"]).exists():
            return TransitionCallbackReturn.FAILURE
        return super().on_configure(state)


managed_module.Managed = Refusing
managed_module.main()
