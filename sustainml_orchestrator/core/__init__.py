"""The pure heart of the orchestrator: events in, commands out; no ROS, no clock, no files."""
