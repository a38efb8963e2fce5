"""Orchestrator of the SustainML framework: from a problem to model, hardware and footprint."""

__version__ = "0.1.0"
