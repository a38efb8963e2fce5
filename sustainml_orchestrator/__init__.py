"""Orchestrator of the SustainML framework: from a problem to model, hardware and footprint."""

import os
import sys
from pathlib import Path

__version__ = "0.1.0"

# An empty HOME is no home: files would go to the root of the file system.
if os.environ.get("HOME") == "":
    del os.environ["HOME"]

if os.environ.get("RMW_IMPLEMENTATION"):
    from sustainml_orchestrator.contract import middleware

    middleware.guard()

# `python -m sustainml_orchestrator.…` puts the current folder first on the import path: a file
# there that is named like a module of Python or of ROS would be run in its place.
if (
    sys.argv[:1] == ["-m"]  # so it is while Python looks for the module to run
    and any(word.startswith(f"{__name__}.") for word in sys.orig_argv)
    and sys.path[:1] in ([""], [str(Path.cwd())])
):
    del sys.path[0]
