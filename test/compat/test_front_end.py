"""The original front-end, as its contract describes it, against a whole system."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.front_end import FORM, NODES, FrontEnd, StatusPolling, in_parallel
from support.rest_server import Served
from support.system import wait_for

from sustainml_orchestrator.core.ids import TaskId, TaskStatus

pytestmark = pytest.mark.timeout(120)


@contextmanager
def without_carbon(served: Served) -> Iterator[None]:
    """Tasks wait for their last step meanwhile: its process is frozen."""
    process = served.up.leader("carbon_tracker")
    assert process is not None
    process.suspend()
    try:
        yield
    finally:
        process.resume()
        wait_for(served.is_idle, 30.0)


def test_a_problem_is_solved_in_the_units_of_the_front_end(
    served: Served, front_end: FrontEnd
) -> None:
    # With the double results of a first submission.
    task = front_end.submit(maximum_samples=1000, geo_location_region="FR")
    doubles = in_parallel([lambda n=n: front_end.results(n, task) for n in range(6)])
    assert front_end.is_done(30)
    shown = front_end.shown[task]
    assert set(shown) == set(NODES)
    assert {name: answer[name] for answer in doubles for name in answer} == shown
    ours = served.client.get_task(TaskId(*task))
    carbon, hardware = shown["CARBON_FOOTPRINT"], shown["HW_RESOURCES"]
    footprint, resource = ours.carbon_footprint, ours.hw_resource
    assert carbon["carbon_footprint"] == pytest.approx(footprint.carbon_footprint * 1000)
    assert carbon["energy_consumption"] == pytest.approx(footprint.energy_consumption / 1000)
    assert carbon["carbon_intensity"] == pytest.approx(footprint.carbon_intensity)
    assert hardware["latency"] == pytest.approx(resource.latency * 1000)
    assert hardware["power_consumption"] == pytest.approx(resource.power_consumption)
    assert hardware["hw_description"] == "PIM-AI-1chip"
    assert shown["ML_MODEL"]["model"] == ours.ml_model.model
    assert shown["ML_MODEL_METADATA"]["metadata"] == "image-classification"
    assert isinstance(shown["ML_MODEL_METADATA"]["keywords"], list)
    assert "maximum_samples:1000" in shown["APP_REQUIREMENTS"]["app_requirements"]
    every = front_end.results(9, task)
    assert {name: every[name] for name in NODES} == shown and every["task_id"] == _task(task)
    last = front_end.send("GET", "/results")
    assert json.loads(last.text) == every
    assert front_end.post("/results", {"node_id": 9}) == every


def test_the_form_is_filled_again(served: Served, front_end: FrontEnd) -> None:
    extra = {"num_outputs": 1, "goal": "image-classification", "dataset_metadata_topic": "cats"}
    task = front_end.submit(
        extra, inputs=["photo", "", "jpeg"], outputs=[""], desired_carbon_footprint=2.5
    )
    stated = front_end.results(7, task)["ORCHESTRATOR"]
    assert stated["inputs"] == "photo jpeg" and stated["outputs"] == ""
    assert stated["desired_carbon_footprint"] == 2.5
    assert served.client.get_task(TaskId(*task)).user_input.desired_carbon_footprint == 0.0025
    assert stated["extra_data"]["hardware_required"] == "PIM-AI-1chip"
    assert stated["extra_data"]["goal"] == "image-classification"
    assert stated["extra_data"]["dataset_metadata_topic"] == "cats"
    assert stated["task_id"] == _task(task)
    body = {**FORM, "extra_data": json.dumps({"goal": "image-classification"})}
    answer = front_end.post("/user_input", body)
    other = answer["task_id"]["problem_id"], answer["task_id"]["iteration_id"]
    stated = front_end.results(7, other)["ORCHESTRATOR"]
    assert stated["extra_data"]["goal"] == "image-classification"
    other = front_end.submit(minimum_samples=50, maximum_samples=3)  # 3: nobody has entered it
    assert front_end.results(7, other)["ORCHESTRATOR"]["maximum_samples"] == 50


def test_the_status_of_one_node(served: Served, front_end: FrontEnd) -> None:
    wait_for(served.is_idle, 30.0)
    whole = json.loads(front_end.send("GET", "/status").text)["status"]
    assert set(whole) == set(NODES) and set(whole.values()) == {"IDLE"}
    for node_id in (0, 5, 7):
        assert front_end.post("/status", {"node_id": node_id}) == {"status": "IDLE"}


def test_many_blocked_results_leave_the_status_quick(served: Served, front_end: FrontEnd) -> None:
    with without_carbon(served), StatusPolling(front_end) as polling:
        task = front_end.submit()
        blocked = [
            front_end.later("/results", {"node_id": node, "task_id": _task(task)})
            for node in (1, 9, 1, 9) * 10
        ]
        model = front_end.results(5, task)["ML_MODEL"]  # what is there is answered meanwhile
        assert model["model"] and "Error" not in model
        wait_for(lambda: polling.latest.get("CARBON_FOOTPRINT") == "INACTIVE", 30.0)
        assert len(polling.taken) > 4 and not any(future.done() for future in blocked)
        begun = len(polling.taken)
    assert all("CARBON_FOOTPRINT" in future.result(30) for future in blocked)
    assert front_end.is_done(30)
    assert max(polling.taken[:begun]) < 2.0, polling.taken


def test_several_outputs_follow_each_other(served: Served, front_end: FrontEnd) -> None:
    problem, _ = front_end.submit({"num_outputs": 3})
    assert front_end.is_done(60)
    rows = {task: row for task, row in front_end.shown.items() if task[0] == problem}
    assert sorted(rows) == [(problem, 1), (problem, 2), (problem, 3)]
    left = [rows[problem, i]["CARBON_FOOTPRINT"]["extra_data"]["num_outputs"] for i in (1, 2, 3)]
    assert left == [3, 2, 1]
    assert len({row["ML_MODEL"]["model"] for row in rows.values()}) == 3


def test_the_search_for_less_carbon_is_followed(served: Served, front_end: FrontEnd) -> None:
    problem, _ = front_end.submit(
        {"hardware_required": ""}, optimize_carbon_footprint_auto=True,
        desired_carbon_footprint=1e-9,
    )  # fmt: skip
    assert front_end.is_done(90)
    tasks, _ = served.client.list_tasks(problem)
    assert len(tasks) > 1
    assert sorted(i for p, i in front_end.shown if p == problem) == [
        task.task_id.iteration_id for task in tasks
    ]


def test_a_row_is_iterated(served: Served, front_end: FrontEnd) -> None:
    problem, first = front_end.submit()
    assert front_end.is_done(30)
    row = front_end.shown[problem, first]
    again = {
        "model_selected": row["ML_MODEL"]["model"], "previous_problem_id": problem,
        "hardware_required": row["HW_RESOURCES"]["hw_description"],
    }  # fmt: skip
    assert front_end.submit(again, previous_iteration=first) == (problem, 2)
    assert front_end.is_done(30)
    assert front_end.shown[problem, 2]["ML_MODEL"]["model"] == row["ML_MODEL"]["model"]
    assert front_end.results(7, (problem, 2))["ORCHESTRATOR"]["previous_iteration"] == 1


def test_a_failed_task_ends_the_wait_with_an_error(served: Served, front_end: FrontEnd) -> None:
    task = front_end.submit({"hardware_required": "a toaster", "num_outputs": 3})
    assert front_end.is_done(30)
    shown = front_end.shown[task]
    assert "Error" not in shown["APP_REQUIREMENTS"]  # what was found is shown
    assert shown["ML_MODEL"]["model"] == "Error"
    assert "toaster" in shown["ML_MODEL"]["Error"]
    assert shown["HW_RESOURCES"]["hw_description"].startswith("Error: ")
    assert shown["CARBON_FOOTPRINT"]["extra_data"]["num_outputs"] == 1
    every = front_end.results(9, task)
    # A module that still worked when the task failed may have delivered since.
    late = {name for name in NODES if "Error" in shown[name] and "Error" not in every[name]}
    assert late <= {"ML_MODEL_METADATA"}
    assert {name: every[name] for name in NODES if name not in late} == {
        name: answer for name, answer in shown.items() if name not in late
    }


def test_cancel_stops_the_chain(served: Served, front_end: FrontEnd) -> None:
    with without_carbon(served):
        task = front_end.submit({"num_outputs": 5})
        wait_for(lambda: "ML_MODEL" in front_end.shown[task], 30.0)
        answer = front_end.post("/cancel", {})
        assert answer["status"] == "cancelled" and answer["task_ids"] == [_task(task)]
        assert front_end.is_done(30)
    shown = front_end.shown[task]
    assert shown["ML_MODEL"]["model"] not in ("", "Error")
    assert "error" not in json.dumps(shown["CARBON_FOOTPRINT"]["extra_data"]).lower()
    tasks, _ = served.client.list_tasks(task[0])
    assert [TaskStatus(t.task_status) for t in tasks] == [TaskStatus.STOPPED]
    assert front_end.post("/cancel", {}) == {"status": "not_found", "message": "no task runs"}


def test_cancel_in_the_middle_of_a_chain(served: Served, front_end: FrontEnd) -> None:
    some = {"num_outputs": 40, "hardware_required": "", "type": ""}  # there are 17 models
    problem, _ = front_end.submit(some)
    wait_for(lambda: "CARBON_FOOTPRINT" in front_end.shown[problem, 1], 30.0)
    with without_carbon(served):  # the chain does not end by itself meanwhile
        assert front_end.post("/cancel", {})["status"] == "cancelled"
        assert front_end.is_done(30)
    tasks, total = served.client.list_tasks(problem)
    assert total < 40 and front_end.last == (problem, total)
    states = [TaskStatus(task.task_status) for task in tasks]
    assert states == [TaskStatus.SUCCEEDED] * (total - 1) + [TaskStatus.STOPPED]


def test_answers_to_configuration_match_by_order(served: Served, front_end: FrontEnd) -> None:
    texts = {
        "modality": 4, "hardwares": 3, "metrics, cover_tag: image": 4, "dataset_path, /none": 4,
        "model_from_goal, image-classification, Transformers": 5, "nonsense": 4,
        "hf_search, metrics of hardwares, 10": 5, "model_info, no such model": 5,
        "hf_search, flibber the wozzle, 10": 5,
        "model_from_goal, image-classification, ": 5, "model_from_goal, (empty), CNNs": 5,
        "model_from_goal, U_NET_MODELS, FPGA (xczu19eg-ffvb1517-2-i), CNNs": 5,
    }  # fmt: skip
    threads = [threading.Thread(target=front_end.configure, args=item) for item in texts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handled = dict(front_end.handled)
    assert set(handled) == set(texts)  # each node answered as often as it was asked
    front_end.handled.clear()
    for text, node_id in texts.items():
        front_end.configure(text, node_id)
    answers = dict(front_end.handled)
    assert "image" in answers["modality"]["modalities"].split(", ")
    assert "image-classification" in answers["modality"]["goals"].split(", ")
    hardwares = answers["hardwares"]["hardwares"].split(", ")
    assert {"PIM-AI-1chip", "FPGA (xczu19eg-ffvb1517-2-i)"} <= set(hardwares)
    assert "accuracy" in answers["metrics, cover_tag: image"]["metrics"].split(", ")
    models = answers["model_from_goal, image-classification, Transformers"]["models"]
    assert "microsoft/swin-tiny-patch4-window7-224" in models.split(", ")
    assert (
        "U-Net"
        in answers["model_from_goal, U_NET_MODELS, FPGA (xczu19eg-ffvb1517-2-i), CNNs"]["models"]
    )
    # The type is empty after "Analyze"; "(empty)" is the first of the goals.
    every = answers["model_from_goal, image-classification, "]["models"].split(", ")
    assert set(models.split(", ")) < set(every)
    assert "U-Net" in answers["model_from_goal, (empty), CNNs"]["models"]
    assert isinstance(answers["hf_search, metrics of hardwares, 10"]["models"], list)
    nothing = answers["hf_search, flibber the wozzle, 10"]
    assert nothing["models"] == [] and "catalogue" in nothing["error"]
    assert answers["dataset_path, /none"]["keywords"] == []
    assert "nonsense" in answers["nonsense"]["error"]


def test_answers_to_configuration_match_by_request_id(served: Served, front_end: FrontEnd) -> None:
    texts = ["modality", "hardwares", "goal", "hf_search, image, 3", "x"] * 4
    bodies = [
        {"configuration": text, "node_id": 4, "request_id": number}
        for number, text in enumerate(texts, start=1)
    ]
    found = in_parallel([lambda b=b: front_end.post("/config_request", b) for b in bodies])
    for body, answer in zip(bodies, found, strict=True):
        response = answer["response"]
        assert response["request_id"] == body["request_id"] and response["node_id"] == 4
        assert response["success"] is (body["configuration"] != "x")
    searched = json.loads(found[3]["response"]["configuration"])["models"]
    assert 0 < len(searched) <= 3 and {"model_id", "score", "pipeline_tag"} <= set(searched[0])
    hover = f"hf_search, __MODEL_CONFIG__:{searched[0]['model_id']}, 1"
    answer = front_end.post("/config_request", {"configuration": hover, "node_id": 5})
    assert json.loads(answer["response"]["configuration"])["tooltip"]


def test_a_data_set_is_profiled(served: Served, front_end: FrontEnd, tmp_path: Path) -> None:
    file = tmp_path / "house, prices.csv"
    file.write_text("rooms;street;price\n3;Elm;100.5\n4;;220\n5;Oak;300\n", encoding="utf-8")
    text = f"dataset_path, {file}"
    answer = front_end.post("/config_request", {"configuration": text, "node_id": 4})
    found = json.loads(answer["response"]["configuration"])
    assert "3 rows and 3 columns" in found["description"]
    assert found["keywords"] == ["rooms", "street", "price"]
    assert "price (number, 100.5 to 300)" in found["profile"] and "1 missing" in found["profile"]
    assert found["applications"] == ["tabular-regression"] and found["topic"] == "house prices"


def test_saved_tasks_are_shown_again(served: Served, front_end: FrontEnd) -> None:
    task = front_end.submit()
    assert front_end.is_done(30)
    saved = {"problem_id": task[0], "iteration_id": task[1], "display_name": "My cats"}
    lists = {"hf_searches": [{"text": "cats"}], "hf_comparisons": [1, 2]}
    body = {"name": "lab/cats 1", "tasks": [saved], **lists}
    assert Path(front_end.post("/save_all", body)["path"]).parent == served.saved
    assert "lab/cats 1" in json.loads(front_end.send("GET", "/saved_files").text)["names"]
    one, two = (front_end.post("/load_all", {"name": "lab/cats 1"}) for _ in range(2))
    assert {key: one[key] for key in lists} == lists
    (loaded,) = one["tasks"]
    fresh = loaded["problem_id"]
    assert loaded["display_name"] == "My cats" and fresh not in (task[0], 0)
    assert two["tasks"][0]["problem_id"] not in (fresh, task[0])
    every = front_end.results(9, (fresh, task[1]))
    assert every["task_id"]["problem_id"] == fresh
    for name in NODES:
        assert every[name] == front_end.results(NODES.index(name), (fresh, task[1]))[name]
        assert every[name]["task_id"]["problem_id"] == fresh
        same = {**every[name], "task_id": _task(task)}
        assert same == front_end.shown[task][name]
    again = front_end.submit({"previous_problem_id": fresh}, previous_iteration=1)
    assert again[0] > task[0] and again[1] == 1 and front_end.is_done(30)
    assert front_end.post("/delete_saved_file", {"name": "lab/cats 1"})["message"]
    assert front_end.post("/saved_files", {}) == {"names": []}


MALFORMED: list[Any] = [
    b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"null", b"[" * 100_000, b'{"a": NaN}', b"1" * 5000,
    b'{"node_id": 1e400}', b'{"node_id": "3", "task_id": 7}', b'{"task_id": {"problem_id": -1}}',
    b'{"node_id": 1, "task_id": {"problem_id": 99999999999, "iteration_id": 1}}',
    b'{"node_id": 1, "task_id": {"problem_id": 4000, "iteration_id": 1}}',
    b'{"node_id": 1, "task_id": {"problem_id": 0, "iteration_id": 0}}',
    b'{"name": "../../etc/passwd"}', b'{"name": 3, "tasks": [{}]}', b'{"name": "x", "tasks": 1}',
    b'{"extra_data": "{", "problem_definition": "x"}', b'{"extra_data": [1]}',
    b'{"problem_definition": 3}', b'{"maximum_samples": -1}', b'{"desired_carbon_footprint": "x"}',
    b'{"configuration": 5, "node_id": {}}', b'{"configuration": "\\ud800", "node_id": 1}',
    b'{"configuration": "dataset_path, /dev/zero", "node_id": 4, "request_id": "x"}',
    b'{"configuration": "dataset_path, \\u0000", "node_id": true}',
    b'{"inputs": {"a": 1}}', b'{"problem_definition": "\\ud800 x"}', b'{"model_ids": 3}',
]  # fmt: skip
PATHS = (
    "/status", "/user_input", "/results", "/config_request", "/cancel", "/hf_models_info",
    "/hf_models_compare", "/saved_files", "/save_tasks", "/load_tasks", "/save_all", "/load_all",
    "/delete_saved_file", "/no_such_path",
)  # fmt: skip


def test_malformed_requests_are_answered_in_json(served: Served, front_end: FrontEnd) -> None:
    for path in PATHS:
        for body in MALFORMED:
            answer = front_end.send("POST", path, body)
            assert answer.status not in (500, 502), (path, body[:80], answer.text[:300])
            found = json.loads(answer.text)
            assert isinstance(found, dict), (path, body[:80])
            if path == "/config_request":
                assert isinstance(json.loads(found["response"]["configuration"]), dict)
                assert "error" not in found
            elif answer.status >= 400:
                assert found["error"], (path, body[:80])
            if path == "/results" and (b"task_id" in body or b"1e4" in body):
                assert answer.status in (400, 404), (body[:80], answer.text[:300])


def test_an_orchestrator_that_forgets_its_tasks_ends_the_wait(
    served: Served, front_end: FrontEnd
) -> None:
    with without_carbon(served):
        task = front_end.submit()
        wait_for(lambda: "ML_MODEL" in front_end.shown[task], 30.0)
        orchestrator = served.up.leader("orchestrator")
        assert orchestrator is not None
        orchestrator.kill()  # it is restarted, without a database
        assert front_end.is_done(60)
    assert front_end.shown[task]["CARBON_FOOTPRINT"]["Error"].startswith("Error: ")
    assert "not reported any output" in front_end.send("GET", "/results").text
    again = front_end.submit()
    assert again != (0, 0) and front_end.is_done(60)
    assert "Error" not in front_end.shown[again]["CARBON_FOOTPRINT"]


def test_pages_of_other_sites_are_refused(served: Served, front_end: FrontEnd) -> None:
    send = front_end.send
    assert send("POST", "/cancel", b"{}", Origin="http://evil.example").status == 403
    assert send("GET", "/terminate", Sec_Fetch_Site="cross-site").status == 403
    assert send("GET", "/status", Host="evil.example").status == 421
    assert send("GET", "/status").status == 200
    assert "message" in json.loads(send("GET", "/").text)
    own = f"127.0.0.1:{served.port}"
    assert send("POST", "/status", b"{}", Host=own, Origin=f"http://{own}").status == 200


def _task(task: tuple[int, int]) -> dict[str, int]:
    return {"problem_id": task[0], "iteration_id": task[1]}
