"""Typed Python calls over the services of the orchestrator: for scripts, front-ends, tests.

    with OrchestratorClient() as client:
        task = client.start_task(UserInput(problem_definition="tell cats from dogs in photos"))
        print(client.wait_for_task(task, timeout=60.0).summary.model)

Every wait has a deadline; what goes wrong is a `ClientError` with a code and a sentence.
"""

from sustainml_orchestrator.client.client import OrchestratorClient
from sustainml_orchestrator.client.errors import (
    ClientError,
    OrchestratorUnavailable,
    RequestRefused,
    RequestTimeout,
)

__all__ = [
    "ClientError",
    "OrchestratorClient",
    "OrchestratorUnavailable",
    "RequestRefused",
    "RequestTimeout",
]
