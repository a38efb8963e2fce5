"""Makes the environment: ROS 2 in a virtual environment, sustainml_msgs, the package linked.

Called by build.sh. Each step leaves a stamp of what it was made from; what is fresh is not made
again, what was interrupted is made anew. With --check: only says (0 or 1) whether all is made.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager

from place import Place, from_arguments
from progress import StepFailed, run, step

#: Variables of whatever the calling shell has sourced; wheels must be built without them.
SOURCED = (
    "AMENT_PREFIX_PATH",
    "CMAKE_PREFIX_PATH",
    "COLCON_PREFIX_PATH",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
)


def make(place: Place) -> None:
    """Make what is not fresh, in the order in which one needs the other.

    Raises:
        StepFailed: a command of a step failed.
    """
    if not place.venv_stamp.fresh or not runs(place):
        make_venv(place)
    if not place.messages_stamp.fresh:
        make_messages(place)
    if not place.package_stamp.fresh:
        make_package(place)


def runs(place: Place) -> bool:
    """Whether Python of the virtual environment starts, in the version it was made with."""
    code = "import sys; print('python%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([place.python, "-c", code], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return (place.venv / "lib" / answer.stdout.decode().strip()).is_dir()


def make_venv(place: Place) -> None:
    """Create the virtual environment, or bring a whole one up to date, as the pins say."""
    whole = place.venv_stamp.whole and runs(place)
    place.venv_stamp.lift()
    log = place.colcon("log")
    if not whole:
        version = ".".join(map(str, sys.version_info[:2]))
        with step(f"Python {version} environment in {place.venv.name}"):
            shutil.rmtree(place.venv, ignore_errors=True)
            options = ["--system-site-packages"] if place.installed else []
            command = [sys.executable, "-m", "venv", *options, str(place.venv)]
            run(command, log=log / "venv.log", env=clean(place), cwd=place.root)
    ros = "" if place.installed else f"ROS 2 {place.distro.capitalize()} and "
    with step(f"{ros}Python packages"):
        pip = [str(place.python), "-m", "pip", "install", "--no-deps", "--no-input"]
        pip += ["--require-hashes"]
        pip += [word for file in place.requirements for word in ("-r", str(file))]
        run(pip, log=log / "pip.log", env=clean(place), cwd=place.root)
        if not place.installed:
            mend_cmake_files(place)
    place.venv_stamp.press()


def mend_cmake_files(place: Place) -> None:
    """Let the CMake files of the wheels name the headers here, not those where they were built."""
    (library,) = place.venv.glob("lib/python3.*")
    headers = sysconfig.get_path("include")
    numpy = str(library / "site-packages/numpy/_core/include")
    for file in place.venv.glob("share/**/*.cmake"):
        text = file.read_text(encoding="utf-8")
        mended = re.sub(r"/opt/python/[^/;\"\s]+/include/python3\.\d+", headers, text)
        mended = re.sub(r"[^;\"\s]+/site-packages/numpy/_core/include", numpy, mended)
        if mended != text:
            file.write_text(mended, encoding="utf-8")


def make_messages(place: Place) -> None:
    """Generate and compile sustainml_msgs; from nothing, where the last time was interrupted."""
    stamp = place.messages_stamp
    if not stamp.whole:
        for base in ("build", "install"):
            shutil.rmtree(place.colcon(base), ignore_errors=True)
    stamp.lift()
    python = f"-DPython3_EXECUTABLE={place.python}", f"-DPYTHON_EXECUTABLE={place.python}"
    generator = () if place.installed else ("-G", "Ninja")
    with step("messages, services and action (sustainml_msgs)"):
        colcon_build(place, "sustainml_msgs", "--cmake-args", *python, *generator)
    stamp.press()


def make_package(place: Place) -> None:
    """Link sustainml_orchestrator, so that edits need no build, and put `sustainml` on the path."""
    place.package_stamp.lift()
    for base, inner in (("build", ""), ("install", "share")):
        for folder in ("config", "launch"):  # links to files that are gone would stay
            linked = place.colcon(base) / inner / "sustainml_orchestrator" / folder
            shutil.rmtree(linked, ignore_errors=True)
    with step("link of sustainml_orchestrator to its sources"):
        colcon_build(place, "sustainml_orchestrator", "--symlink-install")
        command = place.venv / "bin/sustainml"
        command.unlink(missing_ok=True)
        command.symlink_to(place.colcon("install") / "lib/sustainml_orchestrator/sustainml")
    place.package_stamp.press()


def colcon_build(place: Place, package: str, *options: str) -> None:
    """Build one package with colcon in the environment that env.sh gives."""
    source = '. "$SUSTAINML_ROOT/env.sh" && exec python -m colcon "$@"'
    bases = [f"--{name}-base={place.colcon(name)}" for name in ("build", "install")]
    command = ["sh", "-c", source, "colcon", f"--log-base={place.colcon('log')}", "build", *bases]
    command += [
        "--merge-install",
        "--base-paths",
        ".",
        "msg",
        "--packages-select",
        package,
        *options,
    ]
    run(command, log=place.colcon("log") / f"{package}.log", env=clean(place), cwd=place.root)


def clean(place: Place) -> dict[str, str]:
    """The caller's environment less what would leak into a build."""
    unwanted = {"MFLAGS", "MAKELEVEL", "PYTHONHOME", "VIRTUAL_ENV"}
    if not place.installed:
        unwanted.update(SOURCED)
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    # Without flags of its own colcon compiles one file at a time on a machine that is busy.
    flags = {"MAKEFLAGS": f"-j{os.cpu_count()}"}
    return kept | flags | {"SUSTAINML_ROOT": str(place.root), "SUSTAINML_BUILDING": "1"}


@contextmanager
def alone(place: Place) -> Iterator[None]:
    """Let one process at a time make this environment; the others wait and then find it made."""
    with place.venv.with_name(f"{place.venv.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another process is making the environment; waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> int:
    """Make the environment, or check it; the exit code."""
    place = from_arguments(arguments)
    if "--check" in arguments:
        python = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}"
        return 0 if place.is_made() and (place.venv / python).is_dir() else 1
    try:
        with alone(place):
            if not place.is_made():
                origin = "as installed" if place.installed else "from wheels"
                print(f"Setting up ROS 2 {place.distro.capitalize()} {origin}", flush=True)
            make(place)
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the next run takes up what is missing", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
