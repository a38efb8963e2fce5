"""A callback group for entities that are served past rclpy's executor."""

from __future__ import annotations

from rclpy.callback_groups import CallbackGroup


class NullCallbackGroup(CallbackGroup):
    """What no executor of rclpy serves."""

    def can_execute(self, entity: object) -> bool:
        """Never."""
        return False

    def beginning_execution(self, entity: object) -> bool:
        """Never."""
        return False

    def ending_execution(self, entity: object) -> None:
        """Nothing begins, so nothing ends."""
