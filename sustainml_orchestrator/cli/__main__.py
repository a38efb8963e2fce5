"""`sustainml`, and `python -m sustainml_orchestrator.cli`."""

import sys


def main() -> None:
    """Entry point of `sustainml`."""
    from sustainml_orchestrator.cli.console import prepare_streams

    prepare_streams()
    words = set(sys.argv)
    if words & {"up", "demo"} and not words & {"-h", "--help"}:
        from sustainml_orchestrator.processes import node_forker

        node_forker.foresee()  # it imports ROS while this process imports the command line
    from sustainml_orchestrator.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
