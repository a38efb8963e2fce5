"""A module that is an ordinary managed node of ROS 2, without the SDK.

In the pipeline file::

    hw_constraints:
      inputs: [user_input]
      output_type: HWConstraints
      lifecycle: managed
      executable: managed_module.py

The orchestrator configures and activates it by its services of lifecycle_msgs. It needs no
heartbeat; it answers an input with an output that has the same task_id, attempt, session and token.
What it missed is delivered again: RESET_TASK on `control` says for which task to call `get_inputs`.
"""

from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.qos import QoSProfile
from sustainml_msgs.msg import HWConstraints, NodeControl, UserInput
from sustainml_msgs.srv import GetInputs

NAME = "hw_constraints"


class Managed(LifecycleNode):
    def __init__(self):
        super().__init__(NAME, namespace="/sustainml")
        self.limit, self.active = 0, False
        self.output = self.create_publisher(HWConstraints, f"{NAME}/output", QoSProfile(depth=1000))
        self.create_subscription(UserInput, "user_input", self.work, QoSProfile(depth=1000))
        self.create_subscription(NodeControl, "control", self.obey, QoSProfile(depth=2000))
        self.inputs = self.create_client(GetInputs, "orchestrator/get_inputs")

    def on_configure(self, state):
        self.limit = 1024
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state):
        self.active = True
        return super().on_activate(state)

    def on_deactivate(self, state):
        self.active = False
        return super().on_deactivate(state)

    def on_cleanup(self, state):
        self.limit = 0
        return TransitionCallbackReturn.SUCCESS

    def work(self, user_input):
        if not self.active:
            return
        output = HWConstraints(max_memory_footprint=self.limit)
        for field in ("task_id", "attempt", "session", "token", "header"):
            setattr(output, field, getattr(user_input, field))
        output.header.frame_id = self.get_fully_qualified_name()
        self.output.publish(output)

    def obey(self, control):
        if control.target_node == NAME and control.cmd_task == NodeControl.RESET_TASK:
            ids = {k: getattr(control, k) for k in ("task_id", "attempt", "session", "token")}
            future = self.inputs.call_async(GetInputs.Request(node_name=NAME, **ids))
            future.add_done_callback(self.take)

    def take(self, future):
        if future.result().success:
            self.work(future.result().user_input)


def main():
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(Managed())


if __name__ == "__main__":
    main()
