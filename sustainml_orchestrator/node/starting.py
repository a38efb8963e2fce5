"""The start of the orchestrator's process, and its exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.signals import SignalHandlerOptions

from sustainml_orchestrator.contract import log_directory
from sustainml_orchestrator.contract.exit_codes import ExitCode
from sustainml_orchestrator.core.pipeline import PipelineError
from sustainml_orchestrator.core.text import cause
from sustainml_orchestrator.storage import JournalError, JournalInUse


class StartError(RuntimeError):
    """The node cannot start, or must end for another one; the text says why and what to do."""

    def __init__(self, text: str, code: ExitCode = ExitCode.NAME_TAKEN) -> None:
        super().__init__(text)
        self.code = code


def start_ros(args: list[str] | None) -> None:
    """Start ROS with what stands behind --ros-args.

    Raises:
        StartError: it is wrong, a parameter file cannot be read, log files cannot be written.
    """
    try:
        log_directory.ensure()
    except OSError as error:
        raise StartError(cause(error), ExitCode.CANNOT_CREATE) from error
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # RCLError and others, which are no part of its interface
        text = f"ROS cannot start: {cause(error)}; correct its arguments"
        raise StartError(text, ExitCode.USAGE) from error


@contextmanager
def refusals() -> Iterator[None]:
    """Give what rcl refuses while a node is made, such as DDS Security that is not there.

    Raises:
        StartError: with the reason of rcl.
    """
    try:
        yield
    except RuntimeError as error:  # RCLError, which is no part of the interface
        text = f"the node cannot be made: {cause(error)}"
        raise StartError(text, ExitCode.USAGE) from error


def exit_code(error: Exception) -> ExitCode:
    """The exit code for what keeps the node from starting."""
    match error:
        case StartError():
            return error.code
        case PipelineError():
            return ExitCode.CONFIGURATION
        case JournalInUse():
            return ExitCode.JOURNAL_IN_USE
        case JournalError():
            cannot_write = isinstance(error.__cause__, OSError)
            return ExitCode.CANNOT_CREATE if cannot_write else ExitCode.DATA
    return ExitCode.USAGE
