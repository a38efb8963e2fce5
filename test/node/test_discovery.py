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
CONFIG = Path(__file__).parents[2] / "config"
NODE = "import rclpy; rclpy.init(); rclpy.create_node('n').destroy_node(); rclpy.shutdown()"


@pytest.fixture(autouse=True)
def no_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")


def test_the_profile_is_set_and_the_middleware_reads_it() -> None:
    discovery.prefer_profile()
    (file,) = (Path(os.environ[name]) for name in NAMES if os.environ[name])
    namespace = "{http://www.eprosima.com}"
    count = ET.parse(file).getroot().find(f".//{namespace}initialAnnouncements/{namespace}count")
    assert count is not None and count.text == "25"
    run = subprocess.run(
        [sys.executable, "-c", NODE], capture_output=True, text=True, timeout=60, check=True
    )
    assert not run.stderr + run.stdout  # no complaint, of an old name or anything else


def test_the_profiles_of_both_versions_say_the_same() -> None:
    old, new = (
        (CONFIG / name).read_text(encoding="utf-8") for name in ("fastdds.xml", "fastdds3.xml")
    )
    old, new = (text.partition("-->")[2] for text in (old, new))
    assert "heartbeatPeriod" in old
    assert new == old.replace("heartbeatPeriod", "heartbeat_period")


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
