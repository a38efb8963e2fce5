"""What env.sh gives to a shell, and what it and `make build` say when they cannot."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_share_directory

ROOT = Path(__file__).parents[2]
SHELLS = [shell for shell in ("sh", "bash", "dash", "zsh") if shutil.which(shell)]
#: What the shell that runs the tests may have sourced; a bare one has none of it.
BARE = {
    "HOME": os.environ["HOME"],
    "PATH": os.environ["PATH"].removeprefix(f"{os.environ['VIRTUAL_ENV']}/bin:"),
    # The tests may run in another environment than the default one.
    **{
        name: os.environ[name]
        for name in ("ROS", "ROS_DISTRO", "ROS_VERSION")
        if name in os.environ
    },
}
SOURCED = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH")
if BARE.get("ROS_DISTRO") == os.environ.get("SUSTAINML_WHEELS"):  # it comes from env.sh
    BARE.pop("ROS_DISTRO", None)
    BARE.setdefault("ROS", os.environ.get("SUSTAINML_WHEELS", ""))
if "ROS_DISTRO" in BARE:  # a sourced installation is kept, and needs its paths
    BARE |= {name: os.environ[name] for name in SOURCED if name in os.environ}


def source(shell: str, commands: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run commands in a bare, strict shell that may source env.sh as "$ENV_SH"."""
    env = BARE | {"SUSTAINML_ROOT": str(ROOT), "ENV_SH": str(ROOT / "env.sh")} | variables
    return subprocess.run(
        [shell, "-euc", commands], cwd=cwd, env=env, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def unmade(tmp_path: Path) -> Path:
    """A checkout in which nothing has been made yet."""
    for name in ("Makefile", "env.sh"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("scripts", "requirements", "msg"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS)
def test_any_shell_gets_it_from_any_directory(shell: str, tmp_path: Path) -> None:
    commands = '. "$ENV_SH"; python -c "import rclpy, sustainml_msgs.msg, sustainml_orchestrator"'
    done = source(shell, f"{commands}; command -v sustainml", tmp_path)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == Path(os.environ["VIRTUAL_ENV"]) / "bin"


@pytest.mark.parametrize("shell", SHELLS)
def test_sourcing_again_changes_nothing(shell: str, tmp_path: Path) -> None:
    show = "env | grep -v ^_= | sort"
    done = source(shell, f'. "$ENV_SH"; {show}; echo again; . "$ENV_SH"; {show}', tmp_path)
    once, twice = done.stdout.split("again\n")
    assert once
    assert once == twice


def test_discovery_is_local_unless_set_and_the_domain_is_left_alone(tmp_path: Path) -> None:
    show = '. "$ENV_SH"; echo "$ROS_AUTOMATIC_DISCOVERY_RANGE ${ROS_DOMAIN_ID-none}"'
    assert source("sh", show, tmp_path).stdout == "LOCALHOST none\n"
    chosen = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "ROS_DOMAIN_ID": "7"}
    assert source("sh", show, tmp_path, **chosen).stdout == "SUBNET 7\n"


def test_tools_learn_the_distribution_and_a_second_look_still_means_the_wheels() -> None:
    """`ros2` and rqt ask for ROS_DISTRO; only a sourced installation may choose another place."""
    if "ROS_DISTRO" in BARE:
        pytest.skip("a sourced installation sets it")
    show = '. "$ENV_SH"; echo "$ROS_DISTRO $SUSTAINML_WHEELS"'
    distro = BARE.get("ROS") or "jazzy"
    assert source("sh", show, ROOT).stdout == f"{distro} {distro}\n"
    again = 'sustainml_root=$PWD; . scripts/which_ros.sh; echo "$sustainml_kind$sustainml_suffix"'
    sourced = {"ROS": "", "ROS_DISTRO": "jazzy", "ROS_VERSION": "2"}
    assert source("sh", again, ROOT, **sourced).stdout == "installed-ros-jazzy\n"
    ours = sourced | {"SUSTAINML_WHEELS": "jazzy"}
    assert source("sh", again, ROOT, **ours).stdout == "wheels\n"


@pytest.mark.parametrize(
    ("command", "code", "answer"),
    [("--help", 0, "Usage: sustainml"), ("pipeline show", 0, "hw_resources"),
     ("list", 1, "source the environment"), ("up", 1, "source the environment"),
     ("doctor", 1, "source the environment")],
)  # fmt: skip
def test_without_it_the_command_line_says_that_it_must_be_sourced(
    command: str, code: int, answer: str, tmp_path: Path
) -> None:
    program = Path(os.environ["VIRTUAL_ENV"]) / "bin/sustainml"
    done = subprocess.run(
        [program, *command.split()], env={"HOME": str(tmp_path)}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == code and answer in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_sourced_before_it_is_made_it_says_what_to_do(unmade: Path) -> None:
    done = source("sh", "set +e; . ./env.sh || echo went on", unmade)
    assert done.stdout == "went on\n"
    assert done.stderr.count("\n") == 1
    assert f"make -C {unmade}" in done.stderr


def test_what_the_system_lacks_is_one_line_to_paste_and_nothing_is_begun(unmade: Path) -> None:
    tools = unmade / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "uname"):
        (tools / name).symlink_to(str(shutil.which(name)))
    env = {"HOME": str(unmade), "PATH": str(tools), "ROS": "jazzy"}
    done = subprocess.run(
        ["/bin/sh", "scripts/build.sh"], cwd=unmade, env=env, capture_output=True, text=True
    )
    assert done.returncode != 0
    command = r"apt-get update && (sudo )?apt-get install -y [a-z0-9. -]*build-essential"
    assert re.search(command, done.stderr)
    assert done.stderr.count("\n") == 1
    assert not list(unmade.glob(".venv*"))


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"ROS_DISTRO": "humble", "ROS_VERSION": "2"}, "'humble' is older than ROS 2 Jazzy"),
        ({"ROS_DISTRO": "noetic", "ROS_VERSION": "1"}, "'noetic' is older than ROS 2 Jazzy"),
        ({"ROS": "foxy"}, "no wheels of ROS 2 'foxy'"),
    ],
)
def test_a_ros_that_does_not_fit_is_refused(variables: dict[str, str], sentence: str) -> None:
    env = {"HOME": BARE["HOME"], "PATH": BARE["PATH"]} | variables
    done = subprocess.run(
        ["sh", "scripts/build.sh"], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert sentence in done.stderr


def test_every_setting_is_found_where_ros_looks_for_it() -> None:
    share = Path(get_package_share_directory("sustainml_orchestrator"))
    files = [path for name in ("config", "launch") for path in (ROOT / name).rglob("*.*ml")]
    assert files
    for file in files:
        assert (share / file.relative_to(ROOT)).samefile(file)


def test_every_requirement_is_pinned() -> None:
    for file in (ROOT / "requirements").glob("*.txt"):
        for line in filter(None, (line.split("#")[0].strip() for line in file.open())):
            assert re.fullmatch(r"[A-Za-z0-9.-]+==[\w.]+( ; .+)?", line), f"{file.name}: {line}"


def test_every_pin_is_installed_by_its_hashes() -> None:
    def pins(text: str) -> set[str]:
        found = re.findall(r"(?m)^([A-Za-z0-9.-]+)==([\w.]+)", text)
        return {f"{name.lower()}=={version}" for name, version in found}

    for hashed in (ROOT / "requirements/hashed").glob("*.txt"):
        text = hashed.read_text()
        assert pins(text) == pins((ROOT / "requirements" / hashed.name).read_text()), hashed.name
        for entry in re.split(r"(?m)^(?=\S+==)", text):
            assert not entry or "--hash=sha256:" in entry, f"{hashed.name}: {entry}"


def test_help_names_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):", text, re.MULTILINE)
    done = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True)
    assert [line.split()[1] for line in done.stdout.splitlines()] == targets
