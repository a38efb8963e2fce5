"""The original front-end as a program: its requests, and what it reads of the answers."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

NODES = (
    "APP_REQUIREMENTS", "CARBON_FOOTPRINT", "HW_CONSTRAINTS", "HW_RESOURCES", "ML_MODEL_METADATA",
    "ML_MODEL",
)  # fmt: skip
EXTRA = {
    "hardware_required": "PIM-AI-1chip", "max_memory_footprint": 0, "goal": "", "metric": "",
    "model_selected": "", "previous_problem_id": 0, "num_outputs": 1, "type": "Transformers",
    "dataset_metadata_description": "", "dataset_metadata_topic": "", "dataset_metadata_profile":
    "", "dataset_metadata_keywords": "", "dataset_metadata_applications": "",
}  # fmt: skip
FORM = {
    "problem_short_description": "classify cats", "modality": "image", "inputs": ["photo", ""],
    "problem_definition": "tell cats from dogs in photos", "outputs": [""], "minimum_samples": 1,
    "maximum_samples": 3, "optimize_carbon_footprint_auto": False, "previous_iteration": 0,
    "optimize_carbon_footprint_manual": False, "desired_carbon_footprint": 0,
    "geo_location_continent": "", "geo_location_region": "",
}  # fmt: skip


class FrontEnd:
    """Posts as it does: a new connection for each request, no timeout to speak of, no retry.

    Args:
        port: of the server on this machine.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.shown: dict[tuple[int, int], dict[str, Any]] = defaultdict(dict)
        self.last = (0, 0)
        self.worked = threading.Event()
        self.handled: list[tuple[str, Any]] = []
        self._queues: dict[int, deque[str]] = defaultdict(deque)
        self._pool = ThreadPoolExecutor(64)

    def close(self) -> None:
        """End its threads; what they wait for is answered."""
        self._pool.shutdown()

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        """A response of `http.client`, read to its end as `.text`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            named = {key.replace("_", "-"): value for key, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            response.text = response.read().decode()  # type: ignore[attr-defined]
            return response
        finally:
            connection.close()

    def post(self, path: str, body: Any) -> dict[str, Any]:
        """The object of an answer; of anything else the empty object."""
        octets = json.dumps(body, indent=4, sort_keys=True).encode()
        answer = self.send("POST", path, octets, Content_Type="application/json")
        try:
            found = json.loads(answer.text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def later(self, path: str, body: Any) -> Future[dict[str, Any]]:
        """The same in a thread."""
        return self._pool.submit(self.post, path, body)

    def submit(self, extra: dict[str, Any] | None = None, **fields: Any) -> tuple[int, int]:
        """State a problem, and ask for the six results of the new task."""
        self.worked.clear()
        body = {**FORM, **fields, "extra_data": {**EXTRA, **(extra or {})}}
        answer = self.post("/user_input", body)
        self.last = _identity(answer)
        if self.last != (0, 0):
            self._ask(self.last)
        return self.last

    def is_done(self, seconds: float) -> bool:
        """Whether "Working on task" ends within that time, and all that was asked is shown."""
        if not self.worked.wait(seconds):
            return False
        deadline = time.monotonic() + 10.0  # answers on other connections may come later
        while len(self.shown[self.last]) < len(NODES) and time.monotonic() < deadline:
            time.sleep(0.005)
        return len(self.shown[self.last]) == len(NODES)

    def results(self, node_id: int, task: tuple[int, int]) -> dict[str, Any]:
        """The result of one node."""
        return self.post("/results", _results_body(node_id, task))

    def _ask(self, task: tuple[int, int]) -> None:
        for node_id in range(6):
            future = self.later("/results", _results_body(node_id, task))
            future.add_done_callback(lambda done: self._read(done.result()))

    def _read(self, answer: dict[str, Any]) -> None:
        """One result: its only key names the node, its own task_id the row."""
        if len(answer) != 1 or (name := next(iter(answer))) not in NODES:
            return
        value = answer[name]
        task = _identity(value)
        self.shown[task][name] = value
        if name != "CARBON_FOOTPRINT":
            return
        extra = value["extra_data"]
        if extra.get("num_outputs", 1) > 1 or extra.get("auto_reiterate") is True:
            self.last = (task[0], task[1] + 1)
            self._ask(self.last)
        elif task == self.last:
            self.worked.set()

    def configure(self, text: str, node_id: int) -> None:
        """Ask; the answer goes to the oldest question for the node that it names."""
        self._queues[node_id].append(text)
        answer = self.post("/config_request", {"configuration": text, "node_id": node_id})
        response = answer["response"]
        asked = self._queues[response["node_id"]].popleft()
        self.handled.append((asked, json.loads(response["configuration"])))


class StatusPolling(threading.Thread):
    """Asks for the status every 500 ms, and notes how long each answer takes, in s."""

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__(daemon=True)
        self._front_end = front_end
        self.taken: list[float] = []
        self.latest: dict[str, str] = {}
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.5):
            begun = time.monotonic()
            self.latest = self._front_end.post("/status", {}).get("status", {})
            self.taken.append(time.monotonic() - begun)

    def __enter__(self) -> StatusPolling:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def in_parallel(calls: list[Callable[[], Any]]) -> list[Any]:
    """Their results."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def _results_body(node_id: int, task: tuple[int, int]) -> dict[str, Any]:
    return {"node_id": node_id, "task_id": {"problem_id": task[0], "iteration_id": task[1]}}


def _identity(value: dict[str, Any]) -> tuple[int, int]:
    task = value.get("task_id", {})
    return task.get("problem_id", 0), task.get("iteration_id", 0)
