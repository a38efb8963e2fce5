"""Where a journal is kept unless told otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from sustainml_orchestrator.storage import JournalError, default_path, locate


@pytest.mark.parametrize(
    ("namespace", "domain", "name"),
    [
        ("/sustainml", 0, "journal.db"),
        ("/sustainml", 7, "journal-domain7.db"),
        ("/lab/bench_2", 0, "journal-lab__bench_2.db"),
        ("/lab", 7, "journal-lab-domain7.db"),
    ],
)
def test_each_framework_has_its_own(
    namespace: str, domain: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_HOME", "~/ros")
    assert default_path(namespace, domain) == Path.home() / "ros" / "sustainml" / name
    monkeypatch.delenv("ROS_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert locate("auto", namespace, domain) == f"/state/sustainml/{name}"
    monkeypatch.delenv("XDG_STATE_HOME")
    expected = Path.home() / ".local" / "state" / "sustainml" / name
    assert default_path(namespace, domain) == expected


def test_without_a_home_directory_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "ROS_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda user: {}[user])
    with pytest.raises(JournalError, match="set HOME, or set another journal_path"):
        locate("auto", "/lab", 0)


def test_other_settings_are_paths() -> None:
    assert locate("none", "/lab", 0) == ""
    assert locate("", "/lab", 0) == ""
    assert locate("./auto", "/lab", 0) == "./auto"
