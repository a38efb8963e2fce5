"""Limits and periods of the core; the node may set them from ROS parameters at any time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Settings:
    """Limits and periods. Times are in s of steady time.

    Attributes:
        autostart: start every module when it appears.
        admission: "ready": a task starts when every required module is active; "always": it starts
            at once, and its steps wait for the modules that are missing.
        max_active_tasks: most tasks RUNNING at a time.
        max_waiting_tasks: most tasks WAITING at a time.
        heartbeat_timeout: silence after which a node counts as lost.
        command_timeout: time to confirm a command before the recovery ladder is climbed.
        start_timeout: longest time for a node to initialise.
        resend_period: between two sendings of a command that is not yet confirmed.
        bring_up_wait: longest wait of a module for those it depends on, at bring-up.
        ack_timeout: longest time without a report of a step whose inputs are complete.
        queue_timeout: queueing limit per try; tasks that a module returns unasked stay queued.
        node_lost_timeout: longest wait of an admitted task for a module that is lost.
        max_resets: resets of a node in error before a person must reset it.
        max_redeliveries_per_second: RESET_TASK and repeated task commands sent per second.
        max_auto_iterations: most iterations of one search, the first included.
        max_problems: most problems stored; 0 = no limit.
        max_payload_bytes: most payload bytes stored; 0 = no limit.
        history_max_events: most events of the history.
        history_max_age: age beyond which events of the history are dropped.
    """

    autostart: bool = True
    admission: str = "ready"
    max_active_tasks: int = 100
    max_waiting_tasks: int = 10_000
    heartbeat_timeout: float = 3.0
    command_timeout: float = 5.0
    start_timeout: float = 300.0
    resend_period: float = 0.5
    bring_up_wait: float = 2.0
    ack_timeout: float = 5.0
    queue_timeout: float = 3600.0
    node_lost_timeout: float = 60.0
    max_resets: int = 3
    max_redeliveries_per_second: int = 200
    max_auto_iterations: int = 10
    max_problems: int = 0
    max_payload_bytes: int = 0
    history_max_events: int = 100_000
    history_max_age: float = 30 * 86400.0
