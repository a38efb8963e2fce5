"""A client that calls services one after the other, and an orchestrator to call."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.serialization import serialize_message
from sustainml_msgs.srv import ListTasks

from bench.processes import Processes, python
from sustainml_orchestrator.contract import names
from sustainml_orchestrator.processes.programs import Program

_numbers = count(1)


def fresh_namespace() -> str:
    """One that nobody else uses."""
    return f"/bench_{os.getpid()}_{next(_numbers)}"


class Asker:
    """Calls services from the thread of its user, as directly as rclpy allows."""

    def __init__(self) -> None:
        self._context = Context()
        rclpy.init(context=self._context, args=[])
        self._node = rclpy.create_node(f"bench_{next(_numbers)}", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def client(self, kind: type, name: str, timeout: float = 300.0) -> Any:
        """A client whose service is there.

        Raises:
            TimeoutError: it does not come.
        """
        client = self._node.create_client(kind, name, qos_profile=names.SERVICE_QOS)
        if not client.wait_for_service(timeout):
            raise TimeoutError(f"no service {name} within {timeout:g} s")
        return client

    def call(self, client: Any, request: Any, timeout: float = 60.0) -> Any:
        """The response of a service.

        Raises:
            TimeoutError: it does not answer.
        """
        future = client.call_async(request)
        deadline = time.monotonic() + timeout
        # Not `spin_until_future_complete`: it grows slower with each call (rclpy 7.1).
        while not future.done():
            self._executor.spin_once(deadline - time.monotonic())
            if time.monotonic() > deadline:
                raise TimeoutError(f"{client.srv_name} does not answer within {timeout:g} s")
        return future.result()

    def latency(
        self,
        client: Any,
        make: Callable[[], Any],
        check: Callable[[Any, Any], None],
        window: float,
    ) -> float:
        """Median time of a call in s, over a window in s; every response is checked."""
        times = []
        end = time.perf_counter() + window
        while time.perf_counter() < end:
            request = make()
            began = time.perf_counter()
            response = self.call(client, request)
            times.append(time.perf_counter() - began)
            check(request, response)
        return median(times)


@contextmanager
def orchestrator(journal: Path, namespace: str, stored: int) -> Iterator[int]:
    """The real orchestrator on a journal, without modules; gives its pid once it answers.

    Raises:
        RuntimeError: it does not hold as many iterations as it should.
    """
    command = python(
        "sustainml_orchestrator.node.orchestrator_node", "--ros-args", "-r", f"__ns:={namespace}",
        "-p", f"journal_path:={journal}", "--log-level", "warn",
    )  # fmt: skip
    with Processes([Program("orchestrator", command)]) as processes, Asker() as asker:
        client = asker.client(ListTasks, f"{namespace}/{names.service('list_tasks')}")
        total = asker.call(client, ListTasks.Request(limit=1)).total
        if total != stored:
            raise RuntimeError(f"{total} iterations are stored, not {stored}")
        yield processes.pids["orchestrator"]


@contextmanager
def bare_service(kind: str, example: Any) -> Iterator[str]:
    """A service in a process of its own that builds such a response each time; gives its name."""
    name = f"{fresh_namespace()}/bare"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "response.cdr"
        file.write_bytes(serialize_message(example))
        with Processes([Program("bare", python("bench.bare_service", kind, name, str(file)))]):
            yield name
