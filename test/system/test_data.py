"""The tasks as a DataFrame and as CSV; the page about it does what it says."""

from __future__ import annotations

import csv
import math
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from support.system import System
from sustainml_msgs.msg import UserInput
from typer.testing import CliRunner

from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.client import RequestRefused
from sustainml_orchestrator.core.ids import TaskId

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


def test_the_page_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    with System(tmp_path, journal=True) as system:
        client = system.client
        first = system.solve("=1+1, a formula").summary.task_id
        again = client.start_iteration(TaskId(first.problem_id, 1))
        client.wait_for_task(again, 30.0)
        failed = system.solve("fail:hw_resources").summary
        frame = client.to_dataframe(1)
        assert list(frame["task"]) == ["1/1", "1/2"] and list(frame["base_task"]) == ["", "1/1"]
        assert list(frame["status"]) == ["SUCCEEDED"] * 2 and frame["best"].sum() == 1
        shown = client.get_task(again).summary
        last = frame.iloc[-1]
        assert last["carbon_kgCO2e"] == shown.carbon_footprint > 0
        compared = client.compare_iterations(1)[-1]
        assert last["energy_Wh"] == shown.energy_consumption
        assert last["power_W"] == compared.power_consumption
        assert last["created"] == pandas.Timestamp(
            shown.created.sec * 10**9 + shown.created.nanosec, unit="ns", tz="UTC"
        )
        assert 0 <= last["duration_s"] < 60
        every = client.to_dataframe()
        assert list(every["task"]) == ["1/1", "1/2", "2/1"] and every["power_W"].isna().all()
        assert every["error"].iloc[2] == failed.error_description
        assert math.isnan(every["carbon_kgCO2e"].iloc[2])
        with pytest.raises(RequestRefused, match="no problem 9"):
            client.to_dataframe(9)
        journal = str(tmp_path / "journal.sqlite")
        words = ["export", "problems.csv", "--format", "csv", "--journal", journal]
        assert "3 iterations" in CliRunner().invoke(app, words).output
        run_page(f"OrchestratorClient('{system.namespace}')")
    with Path("problems.csv").open(encoding="utf-8", newline="") as file:
        check_table(list(csv.DictReader(file)), frame)
    assert Path("problem.png").stat().st_size > 1000
    assert "carbon_kgCO2e" in capsys.readouterr().out


def run_page(client: str) -> None:
    """Its code, one block after the other, with a client of our namespace."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    variables: dict[str, Any] = {}
    for block in blocks:
        exec(block.replace("OrchestratorClient()", client), variables)


def check_table(rows: list[dict[str, str]], frame: Any) -> None:
    """The journal says the same as the orchestrator, and no cell is a formula."""
    assert [row["task"] for row in rows] == ["1/1", "1/2", "2/1"]
    assert rows[0]["problem"] == "'=1+1, a formula"
    for row, (_, known) in zip(rows, frame.iterrows(), strict=False):
        for name in ("quality", "latency_s", "power_W", "energy_Wh", "carbon_kgCO2e"):
            assert float(row[name] or "nan") == pytest.approx(known[name], nan_ok=True), name
        assert float(row["duration_s"]) == pytest.approx(known["duration_s"], abs=1e-5)
        assert (row["status"], row["model"]) == (known["status"], known["model"])
    assert rows[2]["carbon_kgCO2e"] == "" and rows[2]["status"] == "ERROR"


def test_without_pandas_and_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sustainml_orchestrator.client.dataframe import to_dataframe
    from sustainml_orchestrator.storage import Journal

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pandas, which is not installed: pip install pandas"):
        to_dataframe([], [])
    monkeypatch.setitem(sys.modules, "mlflow.exceptions", None)
    path = str(tmp_path / "j.db")
    Journal.open(path, pipeline_names=()).close()
    words = ["export", str(tmp_path / "ml"), "--format", "mlflow", "--journal", path]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1 and "pip install mlflow-skinny" in result.output
    assert "Traceback" not in result.output and result.output.count("\n") == 1


class TestMLflow:
    """With MLflow, where it is installed: it is no requirement of the tests."""

    def test_runs_are_added_once(self, tmp_path: Path) -> None:
        tracking = pytest.importorskip("mlflow.tracking")
        with System(tmp_path, journal=True) as system:
            system.solve("one")
            system.client.start_task(UserInput(problem_definition="work:20000-20000"))
            words = ["export", str(tmp_path / "ml"), "--format", "mlflow",
                     "--journal", str(tmp_path / "journal.sqlite")]  # fmt: skip
            for count in ("2 runs", "1 runs"):  # the open one again
                assert count in CliRunner().invoke(app, words).output
            (shown,) = system.client.list_tasks(1)[0]
            words[1] = "http://127.0.0.1:1"  # nobody is there
            result = CliRunner().invoke(app, words)
            assert result.exit_code == 1 and "MLflow cannot use http" in result.output
        client = tracking.MlflowClient(tracking_uri=(tmp_path / "ml").as_uri())
        experiment = client.get_experiment_by_name("sustainml")
        runs = {r.data.tags["mlflow.runName"]: r for r in
                client.search_runs([experiment.experiment_id])}  # fmt: skip
        assert set(runs) == {"1/1", "2/1"} and runs["2/1"].info.status in ("RUNNING", "SCHEDULED")
        assert runs["1/1"].data.metrics["carbon_kgCO2e"] == pytest.approx(shown.carbon_footprint)
        assert runs["1/1"].data.params["model"] == shown.model
