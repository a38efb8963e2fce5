"""`python -m sustainml_orchestrator.cli`."""

from sustainml_orchestrator.cli.main import main

main()
