"""Thousands of faults a second: the core and the modules' state machines, all else simulated.

A schedule is drawn from a seed: network, clock, user code, front-end, crashes. The same seed gives
the same schedule, so that every failure can be replayed.
"""
