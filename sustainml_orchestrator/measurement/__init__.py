"""Measures a model of one's own on this machine, for the catalogue of the reference modules."""
