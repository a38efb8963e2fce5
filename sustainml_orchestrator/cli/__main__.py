"""`sustainml`, and `python -m sustainml_orchestrator.cli`."""

import sys

from sustainml_orchestrator.processes import fork_server


def main() -> None:
    """Entry point of `sustainml`."""
    if {"up", "demo"} & set(sys.argv):
        fork_server.foresee()  # it loads ROS while the command line is loaded and understood here
    from sustainml_orchestrator.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
