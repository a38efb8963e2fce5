#!/bin/sh
# Makes the environment of this checkout, or finds it made: picks a Python, checks what the system must have,
# and leaves the work to build.py.
set -eu
sustainml_root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$sustainml_root/scripts/which_ros.sh"
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1  # building loads no ROS library: no need to start Python twice

build() { "$1" "$sustainml_root/scripts/build.py" "$sustainml_kind" "$sustainml_distro" "$sustainml_root" "$sustainml_suffix" $2; }

# Lets `sustainml` say what to do where env.sh is not sourced.
link() {
    for folder in "$sustainml_root/.venv$sustainml_suffix"/lib/python3.*/site-packages; do
        echo "$sustainml_root/build$sustainml_suffix/sustainml_orchestrator" >"$folder/sustainml_orchestrator.pth"
    done
}

made=$sustainml_root/.venv$sustainml_suffix/bin/python
if [ -x "$made" ] && build "$made" --check 2>/dev/null; then link; exit 0; fi

supported='import sys; assert (3, 10) <= sys.version_info[:2] <= (3, 14)'
[ "$sustainml_kind" = wheels ] || supported="$supported; import rclpy"
headers='import os, sysconfig; assert os.path.exists(sysconfig.get_path("include") + "/Python.h")'
venv='import ensurepip, venv'

can() { "$1" -c "$2" >/dev/null 2>&1; }
find_python() {
    for name in ${PYTHON:-} python3 /usr/bin/python3 python3.12 python3.13 python3.11 python3.14 python3.10; do
        if can "$name" "$supported; $1"; then
            "$name" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))'
            return
        fi
    done
}

sudo='sudo '
[ ! -w / ] || sudo=''  # root
install="${sudo}apt-get update && ${sudo}apt-get install -y"
missing=''
command -v make >/dev/null && command -v "${CC:-cc}" >/dev/null && command -v "${CXX:-c++}" >/dev/null ||
    missing=' build-essential'
python=$(find_python "$headers; $venv")
[ -n "$python" ] || python=$(find_python pass)
if [ -z "$python" ] && [ "$sustainml_kind" = installed ]; then
    echo "sustainml: no Python 3.10 to 3.14 here imports the rclpy of the sourced ROS 2 $sustainml_distro: $install ros-$sustainml_distro-ros-base python3-venv python3-dev$missing" >&2
    exit 1
elif [ -z "$python" ]; then
    missing="$missing python3 python3-dev python3-venv"
else
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    can "$python" "$headers" || missing="$missing python$version-dev"
    can "$python" "$venv" || missing="$missing python$version-venv"
fi
if [ "$sustainml_kind" = installed ]; then
    can "$python" 'import colcon_core, colcon_ros' || missing="$missing python3-colcon-common-extensions"
    for package in ament_cmake diagnostic_msgs rosidl_default_generators; do
        "$python" -c "from ament_index_python.packages import get_package_prefix as p; p('$package')" 2>/dev/null ||
            missing="$missing ros-$sustainml_distro-$(echo $package | tr _ -)"
    done
elif [ "$(uname -s) $(uname -m)" != 'Linux x86_64' ]; then
    echo "sustainml: ROS 2 comes as wheels for Linux on x86_64 only; install ROS 2 Jazzy or newer and source it" >&2
    exit 1
fi
if [ -n "$missing" ]; then
    echo "sustainml: the system lacks something; paste this, then try again: $install$missing" >&2
    exit 1
fi
build "$python" ''
link
