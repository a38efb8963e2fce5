"""The ROS 2 node of the orchestrator: carries events in and commands out, decides nothing."""
