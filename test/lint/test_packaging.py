"""What ROS tools read of the package is well-formed: what ament's linters would check."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from ament_index_python.packages import get_packages_with_prefixes
from docutils import core

ROOT = Path(__file__).parents[2]
#: Tags of package format 3, REP 149, in the order of its schema where that matters.
_ONCE = ("name", "version", "description")
_DEPENDS = ("depend", "build_depend", "build_export_depend", "exec_depend", "test_depend",
            "buildtool_depend", "buildtool_export_depend", "doc_depend")  # fmt: skip
_OTHERS = ("maintainer", "license", "url", "author", "conflict", "replace", "group_depend",
           "member_of_group", "export")  # fmt: skip
PACKAGES = [ROOT / "package.xml", ROOT / "msg" / "package.xml"]


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.name)
def test_package_xml(path: Path) -> None:
    root = ElementTree.parse(path).getroot()
    assert (root.tag, root.get("format")) == ("package", "3")
    tags = [child.tag for child in root]
    assert set(tags) <= {*_ONCE, *_DEPENDS, *_OTHERS}
    assert [tag for tag in tags if tag in _ONCE] == list(_ONCE)
    assert tags.count("export") == 1
    assert re.fullmatch(r"[a-z][a-z0-9_]*", root.findtext("name", ""))
    assert re.fullmatch(r"\d+\.\d+\.\d+", root.findtext("version", ""))
    maintainers = root.findall("maintainer")
    people = [*maintainers, *root.findall("author")]
    # An address that nobody could verify may be that of somebody else.
    assert maintainers and all(p.get("email", "").endswith(".invalid") for p in people)
    assert root.findtext("license") == "Apache-2.0"
    depends = [(c.tag, (c.text or "").strip()) for c in root if c.tag in _DEPENDS]
    assert all(re.fullmatch(r"[a-z][a-z0-9_.+-]*", name) for _, name in depends)
    assert len(set(depends)) == len(depends)
    assert root.findtext("export/build_type") in ("ament_python", "ament_cmake")


def test_every_ros_package_that_is_imported_is_a_dependency() -> None:
    """Names of packages also stand in texts, such as those of message modules."""
    known = set(get_packages_with_prefixes()) - {"sustainml_orchestrator"}
    named: set[str] = set()
    for path in (ROOT / "sustainml_orchestrator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                named.add((node.module or "").partition(".")[0])
            elif isinstance(node, ast.Import):
                named |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                named |= set(re.findall(r"^([a-z_]+)\.(?:msg|srv|action)\b", node.value))
    root = ElementTree.parse(PACKAGES[0]).getroot()
    declared = {c.text for c in root if c.tag in ("depend", "exec_depend")}
    assert len(named & known) > 5
    assert named & known <= declared


def test_people_find_the_project() -> None:
    root = ElementTree.parse(PACKAGES[0]).getroot()
    urls = {url.get("type"): url.text or "" for url in root.findall("url")}
    assert {"website"} <= set(urls) <= {"website", "repository", "bugtracker"}
    assert all(url.startswith("https://") for url in urls.values())
    assert root.findall("author")


def test_colcon_test_runs_pytest() -> None:
    """It looks for pytest among the test dependencies in setup.py, and else runs nothing."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    call = next(n for n in ast.walk(tree) if isinstance(n, ast.Call) and _name(n) == "setup")
    extras = next(k.value for k in call.keywords if k.arg == "extras_require")
    assert "pytest" in ast.literal_eval(extras)["test"]


def _name(call: ast.Call) -> str:
    return getattr(call.func, "id", "")


def test_the_licence_is_there() -> None:
    for path in PACKAGES:
        named = ElementTree.parse(path).getroot().find("license")
        assert named is not None
        if "file" in named.attrib:
            text = (path.parent / named.attrib["file"]).read_text(encoding="utf-8")
            assert "Apache License" in text and "Version 2.0" in text


def test_versions_agree() -> None:
    told = subprocess.run(
        [sys.executable, "setup.py", "--version"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()[-1]  # fmt: skip
    assert ElementTree.parse(PACKAGES[0]).getroot().findtext("version") == told


def test_setup_cfg_puts_programs_where_ros2_run_looks() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    place = "$base/lib/sustainml_orchestrator"
    assert parser["develop"]["script_dir"] == parser["install"]["install_scripts"] == place
    assert (ROOT / "resource" / "sustainml_orchestrator").is_file()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "launch").glob("*.xml")), ids=lambda path: path.name
)
def test_launch_files_are_well_formed(path: Path) -> None:
    root = ElementTree.parse(path).getroot()
    assert root.tag == "launch"
    declared = {arg.get("name") for arg in root.iter("arg")}
    used = set(re.findall(r"\$\(var (\w+)\)", path.read_text(encoding="utf-8")))
    assert used <= {*declared, "overrides_file", "enclaves"}  # which shared.launch.py sets


def test_the_changelog_can_be_read_by_release_tools() -> None:
    """A title of the package, then versions with lists of changes, newest first."""
    text = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")
    title = "Changelog for package sustainml_orchestrator"
    line = "^" * len(title)
    assert text.startswith(f"{line}\n{title}\n{line}\n")
    heads = re.findall(
        r"^(Forthcoming|\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\))\n(-+)\n", text, re.MULTILINE
    )
    assert heads and all(len(head) == len(rule) for head, rule in heads)
    assert [head for head, _ in heads].index("Forthcoming") == 0 if "Forthcoming" in text else True


def test_the_changelog_is_valid_restructured_text() -> None:
    said: list[str] = []
    core.publish_doctree(
        (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8"),
        settings_overrides={"warning_stream": _Lines(said), "report_level": 2},
    )
    assert said == []


class _Lines:
    """A stream that keeps what is written."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def write(self, text: str) -> None:
        self._lines.append(text)
