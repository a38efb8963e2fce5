"""The numbers of the messages are those of the core."""

from __future__ import annotations

from sustainml_msgs import msg

from sustainml_orchestrator.core import ids


def test_constants_equal_the_enums() -> None:
    for status in ids.NodeStatus:
        assert getattr(msg.NodeStatus, f"NODE_{status.name}") == status
    for status in ids.TaskStatus:
        assert getattr(msg.NodeStatus, f"TASK_{status.name}") == status
    for code in ids.ErrorCode:
        assert getattr(msg.ErrorCode, code.name) == code
    for command in list(ids.NodeCommand)[1:]:
        assert getattr(msg.NodeControl, f"{command.name}_NODE") == command
    for command in list(ids.TaskCommand)[1:]:
        assert getattr(msg.NodeControl, f"{command.name}_TASK") == command
    assert msg.NodeControl.NO_CMD_NODE == msg.NodeControl.NO_CMD_TASK == 0
