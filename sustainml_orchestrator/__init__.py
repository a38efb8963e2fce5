"""Orchestrator of the SustainML framework: from a problem to a model, hardware and carbon footprint."""

__version__ = "0.1.0"
