"""A module that takes so many seconds for each task: ``python slow_module.py 0.2``."""

import sys
import time

from sustainml_msgs.msg import HWConstraints, UserInput

from sustainml_orchestrator.sdk import Module


class Slow(Module):
    module = "slow"
    inputs = {"user_input": UserInput}  # noqa: RUF012
    output_type = HWConstraints
    seconds = 0.2

    def process(self, task, inputs):
        time.sleep(self.seconds)
        return HWConstraints()


if __name__ == "__main__":
    Slow.seconds = float(sys.argv[1])
    Slow.main()
