"""Whole systems to measure: ours with no-op modules, and the bare relay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench import work
from bench.asking import fresh_namespace
from bench.client import Client, OurClient
from bench.processes import Processes, python
from sustainml_orchestrator.client import OrchestratorClient
from sustainml_orchestrator.contract import domain
from sustainml_orchestrator.processes.programs import MODULES, Program


def other_domain() -> int:
    """One that nobody uses, so that two systems do not discover each other."""
    here = domain.current()
    following = (*range(here + 1, domain.LAST_SAFE + 1), *range(1, here))
    return next(number for number in following if not domain.participants(number))


ORCHESTRATOR = "sustainml_orchestrator.node.orchestrator_node"


def orchestrator_program(
    namespace: str, program: str = ORCHESTRATOR, **parameters: object
) -> Program:
    """The orchestrator, without a journal unless it is given one."""
    return Program("orchestrator", python(program, *_ros_arguments(namespace, parameters)))


@contextmanager
def ours(
    isolation: str = "thread", program: str = ORCHESTRATOR, **parameters: object
) -> Iterator[OurClient]:
    """Orchestrator and six no-op modules; a client of theirs once all are ready."""
    namespace = fresh_namespace()
    modules = (
        Program(name, python(
            "bench.noop_module", name, *_ros_arguments(namespace, {"isolation": isolation})
        ))
        for name in MODULES
    )  # fmt: skip
    programs = [orchestrator_program(namespace, program, **parameters), *modules]
    with Processes(programs) as processes, OrchestratorClient(namespace) as asker:
        asker.wait_until_ready(60.0)
        with OurClient(processes, namespace) as client:
            client.wait_until_answered()
            yield client


@contextmanager
def relay() -> Iterator[Client]:
    """The same in bare rclpy, in a domain of its own."""
    number, namespace = other_domain(), fresh_namespace()
    programs = [
        Program(role, python("bench.relay", role, *_ros_arguments(namespace, {})))
        for role in ("hub", *work.TYPES)
    ]
    with Processes(programs, {"ROS_DOMAIN_ID": str(number)}) as processes:
        processes.wait_for_line("up", len(programs))
        with Client(processes, namespace, number) as client:
            client.wait_until_answered()
            yield client


def _ros_arguments(namespace: str, parameters: dict[str, object]) -> list[str]:
    given = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
    return ["--ros-args", "-r", f"__ns:={namespace}", "--log-level", "warn", *given]
