"""How the processes announce themselves: by our profile, unless the user has one."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from sustainml_orchestrator.contract import discovery

NAMES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
CONFIG = Path(__file__).parents[2] / "config"
NODE = "import rclpy; rclpy.init(); rclpy.create_node('n').destroy_node(); rclpy.shutdown()"


@pytest.fixture(autouse=True)
def no_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, "ROS_STATIC_PEERS", "ROS_DISCOVERY_SERVER", "RMW_IMPLEMENTATION"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv(RANGE, "SUBNET")


@pytest.mark.parametrize("reach", ["LOCALHOST", "SUBNET", ""])
def test_the_profile_is_set_and_the_middleware_reads_it(
    reach: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RANGE, reach)
    discovery.prefer_profile()
    (file,) = (Path(os.environ[name]) for name in NAMES if os.environ[name])
    namespace = "{http://www.eprosima.com}"
    root = ET.parse(file).getroot()
    count = root.find(f".//{namespace}initialAnnouncements/{namespace}count")
    assert count is not None and count.text == "25"
    peers = [each.text for each in root.iterfind(f".//{namespace}address")]
    assert peers == (["127.0.0.1"] if reach == "LOCALHOST" else [])
    assert discovery.is_local() is (reach == "LOCALHOST")
    run = subprocess.run(
        [sys.executable, "-c", NODE], capture_output=True, text=True, timeout=60, check=True
    )
    assert not run.stderr + run.stdout  # no complaint, of an old name or anything else


@pytest.mark.parametrize(
    ("name", "value"),
    [("ROS_STATIC_PEERS", "far"), ("ROS_DISCOVERY_SERVER", "far"),
     ("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp")],
)  # fmt: skip
def test_the_range_stays_where_more_than_this_machine_or_another_middleware_is_meant(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RANGE, "LOCALHOST")
    monkeypatch.setenv(name, value)
    discovery.prefer_profile()
    assert os.environ[RANGE] == "LOCALHOST"
    assert not any("localhost" in os.environ[each] for each in NAMES)


@pytest.mark.parametrize("end", [".xml", "_localhost.xml"])
def test_the_profiles_of_both_versions_say_the_same(end: str) -> None:
    old, new = (read(f"{name}{end}") for name in ("fastdds", "fastdds3"))
    assert "heartbeatPeriod" in old
    assert new == old.replace("heartbeatPeriod", "heartbeat_period")


def test_the_profile_of_one_machine_adds_only_the_peers() -> None:
    everywhere, here = read("fastdds.xml"), read("fastdds_localhost.xml")
    start, end = (
        here.index("          <initialPeersList>"),
        here.index("          <discovery_config>"),
    )
    assert here[:start] + here[end:] == everywhere


def read(name: str) -> str:
    """A profile without the comment at its head."""
    return (CONFIG / name).read_text(encoding="utf-8").partition("-->")[2]


def test_a_profile_of_the_user_with_a_similar_name_may_reach_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("fastdds", "fastdds3"):
        for file, local in ((name, True), (f"my_{name}", False), ("my", False)):
            monkeypatch.setenv(NAMES[0], f"/their/{file}_localhost.xml")
            assert discovery.is_local() is local, file


def test_the_middleware_looks_where_the_profile_is_set(tmp_path: Path) -> None:
    discovery.prefer_profile()
    (name,) = (name for name in NAMES if os.environ[name])
    broken = tmp_path / "broken.xml"
    broken.write_text("<dds><nonsense/></dds>")
    run = subprocess.run(
        [sys.executable, "-c", NODE], env={**os.environ, name: str(broken)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "nonsense" in run.stderr + run.stdout


@pytest.mark.parametrize("name", NAMES)
def test_profiles_of_the_user_stay(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/their/profiles.xml")
    discovery.prefer_profile()
    assert sorted(filter(None, (os.environ[n] for n in NAMES))) == ["/their/profiles.xml"]
