"""`sustainml`, and `python -m sustainml_orchestrator.cli`."""

import signal
import sys


def main() -> None:
    """Entry point of `sustainml`."""
    # While modules are imported, Ctrl-C ends the process without a traceback.
    handler = signal.getsignal(signal.SIGINT)
    if handler is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from sustainml_orchestrator.cli.console import prepare_streams

    prepare_streams()
    words = set(sys.argv)
    if words & {"up", "demo"} and not words & {"-h", "--help"}:
        from sustainml_orchestrator.processes import node_forker

        node_forker.foresee()  # it imports ROS while this process imports the command line
    from sustainml_orchestrator.cli.main import main as run

    signal.signal(signal.SIGINT, handler)
    run()


if __name__ == "__main__":
    main()
