"""Benchmarks: what the framework costs beside the bare middleware. See README.md."""
