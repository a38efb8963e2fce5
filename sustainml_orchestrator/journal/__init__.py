"""The durable memory of an orchestrator: SQLite; knows the core's types, and nothing of ROS."""

from sustainml_orchestrator.journal.errors import JournalError
from sustainml_orchestrator.journal.journal import Journal

__all__ = ["Journal", "JournalError"]
