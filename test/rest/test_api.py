"""The REST interface against a whole system."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.http_client import Answer, EventStream, ask
from support.rest_server import Served, free_port
from support.system import wait_for
from support.up_process import SUSTAINML

from sustainml_orchestrator.rest.serving import AddressError, listen

pytestmark = pytest.mark.timeout(120)

API = "/api/v1"
CATS = {"problem_definition": "tell cats from dogs in photos", "modality": "image"}
FINAL = ("SUCCEEDED", "ERROR", "STOPPED", "TERMINATED")


def api(served: Served, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    return ask(served.port, method, f"{API}{path}", body, **headers)


def start(served: Served, **fields: Any) -> str:
    """The path of a new task."""
    answer = api(served, "POST", "/problems", {**CATS, **fields})
    assert answer.status == 201, answer.text
    return answer.json["href"].removeprefix(API)


def finish(served: Served, path: str) -> Any:
    """All data of a task once it is over."""
    wait_for(lambda: state_of(served, path) in FINAL, 60.0)
    return api(served, "GET", path).json


def state_of(served: Served, path: str) -> str:
    return api(served, "GET", f"{path}?module=hw_constraints").json["summary"]["status_text"]


def refused(answer: Answer, status: int, title: str, part: str) -> None:
    """Whether an answer holds problem details."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert (answer.status, answer.json["status"]) == (status, status), answer.text
    assert answer.json["title"] == title and part in answer.json["detail"], answer.text
    assert answer.json["type"].startswith("urn:sustainml:error:")


def test_a_problem_from_its_statement_to_its_end(served: Served) -> None:
    key = {"Idempotency_Key": "once"}
    body = {**CATS, "extra_data": {"goal": "image-classification"}, "desired_carbon_footprint": 1}
    first = api(served, "POST", "/problems", body, **key)
    again = api(served, "POST", "/problems", body, **key)
    assert first.status == again.status == 201
    assert first.json == again.json and first.headers["location"] == first.json["href"]
    refused(api(served, "POST", "/problems", CATS, **key), 400, "INVALID_REQUEST", "request_id")
    path = first.json["href"].removeprefix(API)
    task = finish(served, path)
    assert task["summary"]["status_text"] == "SUCCEEDED" and task["ml_model"]["model"]
    assert task["user_input"]["extra_data"] == {"goal": "image-classification"}
    assert task["carbon_footprint"]["extra_data"]["inferences"] == 1
    problem = first.json["task_id"]["problem_id"]
    changed = {"extra_data": {"max_memory_footprint": 64}}
    second = api(served, "POST", f"/problems/{problem}/iterations", changed)
    third = api(served, "POST", f"/problems/{problem}/iterations", {"modality": ""})
    assert second.json["task_id"] == {"problem_id": problem, "iteration_id": 2}
    other = finish(served, f"/tasks/{problem}/2")
    assert other["user_input"]["problem_definition"] == CATS["problem_definition"]
    assert other["hw_constraints"]["max_memory_footprint"] == 64
    assert finish(served, third.json["href"].removeprefix(API))["user_input"]["modality"] == ""
    page = api(served, "GET", f"/problems/{problem}?limit=2&offset=1").json
    assert [t["task_id"]["iteration_id"] for t in page["tasks"]] == [2, 3] and page["total"] == 3
    rows = api(served, "GET", f"/problems/{problem}/comparison").json["iterations"]
    assert len(rows) == 3 and any(row["best"] for row in rows)
    history = api(served, "GET", f"/history?problem_id={problem}&iteration_id=1").json["events"]
    assert history[0]["event"] == "task.submitted"
    assert history[-1]["event"] == "task.succeeded"
    assert api(served, "DELETE", f"/problems/{problem}").json == {"deleted_iterations": 3}
    refused(api(served, "GET", f"/problems/{problem}"), 404, "NOT_FOUND", "there is no")


def test_problems_and_tasks_in_pages(served: Served) -> None:
    paths = [start(served) for _ in range(3)]
    for path in paths:
        finish(served, path)
    seen: list[int] = []
    cursor = 0
    while cursor is not None:
        page = api(served, "GET", f"/problems?limit=2&cursor={cursor}").json
        seen += [summary["task_id"]["problem_id"] for summary in page["problems"]]
        cursor = page["next_cursor"]
    assert seen == sorted(set(seen), reverse=True) and len(seen) >= 3
    found = api(served, "GET", "/tasks?status=SUCCEEDED&status=ERROR&limit=1").json
    assert len(found["tasks"]) == 1 and found["total"] >= 3
    assert api(served, "GET", "/tasks?status=RUNNING").json == {"tasks": [], "total": 0}


def test_tasks_are_commanded(served: Served) -> None:
    path = start(served)
    task = finish(served, path)
    assert task["summary"]["attempt"] == 1
    assert api(served, "POST", f"{path}/reset").json["status_text"] in ("WAITING", "RUNNING")
    assert finish(served, path)["summary"]["attempt"] == 2
    refused(api(served, "POST", f"{path}/stop"), 409, "REJECTED", "SUCCEEDED")
    refused(api(served, "POST", "/tasks/9999/1/stop"), 404, "NOT_FOUND", "9999")
    refused(api(served, "POST", f"{path}/dance"), 422, "INVALID_REQUEST", "command")


def test_nodes_are_commanded_and_configured(served: Served) -> None:
    names = [node["node_name"] for node in api(served, "GET", "/nodes").json["nodes"]]
    assert "hw_resources" in names and len(names) == 6
    for command, status in (("stop", "INACTIVE"), ("start", "IDLE")):
        (node,) = api(served, "POST", f"/nodes/hw_resources/{command}").json["nodes"]
        assert node["status_text"] == status
        assert api(served, "GET", "/nodes/hw_resources").json["status_text"] == status
    changed = api(served, "PATCH", "/nodes/hw_resources/configuration", {"precision": "int8"})
    assert changed.json["precision"] == "int8"
    assert api(served, "GET", "/nodes/hw_resources/configuration").json["precision"] == "int8"
    asked = api(served, "PATCH", "/nodes/hw_resources/configuration", {"query": "hardwares"})
    assert "PIM-AI-1chip" in asked.json["hardwares_list"]
    wrong = api(served, "PATCH", "/nodes/hw_resources/configuration", {"precision": "int9"})
    refused(wrong, 400, "INVALID_REQUEST", "int9")
    api(served, "PATCH", "/nodes/hw_resources/configuration", {"precision": ""})
    refused(api(served, "GET", "/nodes/nobody"), 404, "NOT_FOUND", "nobody")


def test_commands_do_not_wait_for_a_module_that_hangs(served: Served) -> None:
    module = served.up.leader("carbon_tracker")
    assert module is not None
    module.suspend()
    path = f"{API}/nodes/carbon_tracker/configuration?timeout=60"
    text = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode()
    asking = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(40)]
    try:
        for connection in asking:
            connection.sendall(text)
        for command in ("stop", "start"):
            answer = api(served, "POST", f"/nodes/hw_constraints/{command}")
            assert answer.status == 200, answer.text
        assert select.select(asking, [], [], 0)[0] == []  # they wait all the while
    finally:
        module.resume()
        for connection in asking:
            connection.close()
    wait_for(served.is_idle, 30.0)


def test_mistakes_are_told_in_a_sentence(served: Served) -> None:
    wrong = {"minimum_samples": "3", "colour": "red"}
    refused(api(served, "POST", "/problems", wrong), 422, "INVALID_REQUEST", "minimum_samples")
    refused(api(served, "POST", "/problems", {}), 400, "INVALID_REQUEST", "problem_definition")
    for body in (b"{", b"[" * 50_000, b"\xff", b'"x"', b'{"problem_definition": "\\ud800"}'):
        answer = api(served, "POST", "/problems", body, Content_Type="application/json")
        assert answer.status in (400, 422) and answer.json["code"] == 2, answer.text
    for body, part in (
        (b'{"a": 1,}', "at character 8"), (b"", "body"), (b"[" * 50_000, "nested too deeply"),
        (b'{"minimum_samples": ' + b"9" * 5000 + b"}", "5000 digits"),
    ):  # fmt: skip
        answer = api(served, "POST", "/problems", body, Content_Type="application/json")
        refused(answer, 400 if body else 422, "INVALID_REQUEST", part)
    text = {**CATS, "extra_data": {"num_outputs": "3"}}
    refused(api(served, "POST", "/problems", text), 400, "INVALID_REQUEST", 'num_outputs is "3"')
    answer = api(served, "POST", "/problems", b"a=1", Content_Type="text/plain")
    refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE", "application/json")
    for port in (served.port, served.web_port):
        refused(ask(port, "POST", "/healthz"), 405, "METHOD_NOT_ALLOWED", "POST /healthz")
    refused(ask(served.web_port, "GET", "/nothing"), 404, "NOT_FOUND", "GET /nothing")
    refused(api(served, "GET", "/tasks/0/1"), 422, "INVALID_REQUEST", "problem_id")
    refused(api(served, "GET", "/nothing"), 404, "NOT_FOUND", "openapi.json")
    refused(api(served, "GET", "/%0A/x%0Dy%0A"), 404, "NOT_FOUND", "openapi.json")
    answer = api(served, "PUT", "/problems")
    refused(answer, 405, "METHOD_NOT_ALLOWED", "PUT")
    assert answer.headers["allow"] == "GET, HEAD, POST"


def test_the_head_of_an_answer_can_be_asked_for(served: Served) -> None:
    path = start(served)
    finish(served, path)
    whole, head = (api(served, method, path) for method in ("GET", "HEAD"))
    assert (head.status, head.text) == (200, "")
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert api(served, "HEAD", "/tasks/9999/1").status == 404
    assert api(served, "HEAD", "/events").headers["allow"] == "GET"


def test_it_describes_itself(served: Served) -> None:
    described = api(served, "GET", "/openapi.json").json
    assert described["openapi"].startswith("3.") and described["servers"] == [{"url": API}]
    text = api(served, "GET", "/openapi.json").text
    names = {name.partition('"')[0] for name in text.split('"#/components/schemas/')[1:]}
    assert names <= set(described["components"]["schemas"])
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            assert "application/problem+json" in operation["responses"]["404"]["content"]


def test_pages_of_other_sites_change_nothing(served: Served) -> None:
    foreign = api(served, "POST", "/problems", CATS, Origin="http://evil.example")
    refused(foreign, 403, "FORBIDDEN", "another site")
    for host in ("evil.example", "evil@127.0.0.1"):
        refused(api(served, "GET", "/tasks", Host=host), 421, "MISDIRECTED_REQUEST", "host name")
    own = f"127.0.0.1:{served.port}"
    ours = api(served, "POST", "/problems", CATS, Host=own, Origin=f"http://{own}")
    assert ours.status == 201
    finish(served, ours.json["href"].removeprefix(API))


def updates(stream: EventStream) -> Iterator[tuple[int, int, str]]:
    """Id, problem and state of each event of a task."""
    for name, number, data in stream:
        if name == "task":
            assert number == data["revision"]
            yield number, data["task_id"]["problem_id"], data["status_text"]


def test_events_go_on_after_a_lost_connection(served: Served) -> None:
    with EventStream(served.port, f"{API}/events") as stream:
        assert next(iter(stream))[0] == "system"
        problem = int(start(served).split("/")[2])
        number, first, _ = next(updates(stream))
        assert first == problem
    finish(served, f"/tasks/{problem}/1")
    with EventStream(served.port, f"{API}/events", last=number) as stream:
        seen = []
        for each in updates(stream):
            seen.append(each)
            if each[2] in FINAL:
                break
    assert {one for _, one, _ in seen} == {problem} and seen[0][0] > number
    assert len(seen) >= 1 and seen[-1][2] == "SUCCEEDED"


def test_what_is_no_longer_kept_is_told_from_the_history(served: Served) -> None:
    path = start(served)
    finish(served, path)
    problem = int(path.split("/")[2])
    with EventStream(served.port, f"{API}/events?problem_id={problem}", last=1) as stream:
        assert next(updates(stream))[1:] == (problem, "SUCCEEDED")
    # A problem that was deleted meanwhile keeps nobody from hearing of the others.
    gone = start(served)
    finish(served, gone)
    assert api(served, "DELETE", f"/problems/{gone.split('/')[2]}").status == 200
    with EventStream(served.port, f"{API}/events", last=1) as stream:
        assert any(one == problem and status == "SUCCEEDED" for _, one, status in updates(stream))
    with EventStream(served.port, f"{API}/events", last=10**9) as stream:
        assert "resync" in [next(iter(stream))[0] for _ in range(2)]


def test_a_restart_of_the_orchestrator_is_told(served: Served) -> None:
    with EventStream(served.port, f"{API}/events") as stream:
        events = iter(stream)
        assert next(events)[0] == "system"
        orchestrator = served.up.leader("orchestrator")
        assert orchestrator is not None
        orchestrator.kill()
        assert any(name == "resync" for name, _, _ in events)
        wait_for(lambda: ask(served.port, "GET", "/readyz").status == 200, 30.0)
        problem = int(start(served).split("/")[2])
        assert any(one == problem and status == "SUCCEEDED" for _, one, status in updates(stream))


def test_a_hundred_readers_of_events(served: Served) -> None:
    streams = [EventStream(served.port, f"{API}/events") for _ in range(100)]
    problem = int(start(served).split("/")[2])
    ended = []

    def read(stream: EventStream) -> None:
        for _, one, status in updates(stream):
            if one == problem and status in FINAL:
                ended.append(status)
                return

    threads = [threading.Thread(target=read, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for stream in streams:
        stream.__exit__()
    assert ended == ["SUCCEEDED"] * 100


def test_metrics_and_health(served: Served) -> None:
    finish(served, start(served))
    assert ask(served.port, "GET", "/healthz").json == {"healthy": True}
    assert ask(served.port, "GET", "/readyz").json == {"ready": True}
    answer = ask(served.port, "GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")

    def figures() -> dict[str, float]:
        lines = ask(served.port, "GET", "/metrics").text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line[:1] != "#")
        return {name: float(value) for name, value in pairs}

    # Counts are announced within a second.
    wait_for(lambda: figures()['sustainml_tasks{status="succeeded"}'] >= 1)
    found = figures()
    assert found["sustainml_up"] == found["sustainml_ready"] == 1
    assert found['sustainml_node_responsive{node="hw_resources"}'] == 1
    wait_for(lambda: figures()['sustainml_node_status{node="hw_resources",status="idle"}'] == 1)
    wait_for(lambda: 'sustainml_task_duration_seconds_count{status="succeeded"}' in figures())
    wait_for(lambda: "sustainml_oldest_wait_seconds" in figures())
    found = figures()
    assert found["sustainml_waiting_tasks_limit"] == 10_000
    assert "sustainml_journal_writable" not in found  # the database is in memory only
    of_instances = {name for name in found if name.startswith("sustainml_instance_in_error{")}
    assert len(of_instances) == 6 and not any(found[name] for name in of_instances)


def test_the_web_page_has_the_same_interface(served: Served) -> None:
    def answers(path: str) -> bool:
        try:
            return ask(served.web_port, "GET", path).status == 200
        except OSError:
            return False

    wait_for(lambda: answers("/readyz"), 30.0)
    answer = ask(served.web_port, "POST", f"{API}/problems", CATS)
    assert answer.status == 201
    finish(served, answer.json["href"].removeprefix(API))
    with EventStream(served.web_port, f"{API}/events") as stream:
        assert next(iter(stream))[0] == "system"
    assert "sustainml_ready 1.0" in ask(served.web_port, "GET", "/metrics").text
    foreign = {"Origin": "http://evil.example"}
    assert ask(served.web_port, "POST", f"{API}/problems", CATS, **foreign).status == 403


@pytest.fixture
def alone() -> Iterator[int]:
    """`sustainml rest` with a token, and no orchestrator."""
    port = free_port()
    options = ("--namespace", f"/alone_{port}", "--timeout", "1")
    process = subprocess.Popen(
        [*SUSTAINML, *options, "rest", "--port", str(port)],
        env={**os.environ, "SUSTAINML_TOKEN": "a-secret-token"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert any("serving" in line for line in process.stdout)  # or lines of Fast DDS
        yield port
        token = {"Authorization": "Bearer a-secret-token"}
        assert ask(port, "GET", "/terminate", **token).status == 200
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_without_an_orchestrator_and_with_a_token(alone: int) -> None:
    token = {"Authorization": "Bearer a-secret-token"}
    assert ask(alone, "GET", "/healthz").json == {"healthy": True}
    refused(ask(alone, "GET", "/readyz"), 503, "NODE_UNAVAILABLE", "no orchestrator")
    refused(missing := ask(alone, "GET", f"{API}/system"), 401, "UNAUTHORIZED", "token")
    assert missing.headers["www-authenticate"] == "Bearer"
    assert ask(alone, "GET", f"{API}/system", Authorization="Bearer a-secret-tokem").status == 401
    refused(ask(alone, "GET", f"{API}/system", **token), 503, "NODE_UNAVAILABLE", "sustainml up")
    answer = ask(alone, "POST", f"{API}/problems", CATS, **token)
    refused(answer, 503, "NODE_UNAVAILABLE", "no orchestrator")
    assert answer.headers["retry-after"] == "1"
    assert "sustainml_up 0.0" in ask(alone, "GET", "/metrics", **token).text
    status = ask(alone, "POST", "/status", {}, **token).json["status"]
    assert len(status) == 6 and set(status.values()) == {"INACTIVE"}
    assert ask(alone, "POST", "/user_input", CATS, **token).json["error"]


def test_an_address_that_is_taken_or_open_to_others_is_refused() -> None:
    taken = listen("127.0.0.1", 0, "", "--port")
    with taken, pytest.raises(AddressError, match="choose another with --port"):
        listen("127.0.0.1", taken.getsockname()[1], "", "--port")
    with pytest.raises(AddressError, match="token"):
        listen("0.0.0.0", 0, "", "--port")
    listen("0.0.0.0", 0, "a-secret-token", "--port").close()
