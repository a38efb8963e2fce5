"""Exit codes of the nodes; the values follow sysexits.h of BSD.

A permanent error needs a person: starting the process again cannot help. Supervisors (`sustainml
up`, the launch file) restart a process after any other code, and not after these.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a node ended, for the shell and for supervisors."""

    #: Told to end, by a signal or TERMINATE_NODE.
    OK = 0
    #: An error that may pass; a supervisor tries again.
    FAILED = 1
    #: A ROS argument, a parameter or the author's class is wrong.
    USAGE = 64
    #: The journal is damaged beyond repair, or not a journal.
    DATA = 65
    #: Another orchestrator is active in the namespace.
    NAME_TAKEN = 69
    #: The address of the web page is taken, or not of this machine.
    CANNOT_LISTEN = 71
    #: No place to write: log directory or journal.
    CANNOT_CREATE = 73
    #: The journal is used by another process.
    JOURNAL_IN_USE = 77
    #: The module graph cannot be read or is wrong.
    CONFIGURATION = 78


#: After these a supervisor does not restart the process.
PERMANENT = frozenset(code for code in ExitCode if code >= ExitCode.USAGE)
