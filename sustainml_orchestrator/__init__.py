"""The orchestrator of the SustainML Framework: node lifecycle, tasks, and their database."""

__version__ = "0.1.0"
