# The environment of this checkout, for the shell that sources it (bash, zsh, sh), from any directory:
#
#     . ./env.sh                  python, sustainml, rclpy, sustainml_msgs; ros2 where it is installed
#     ROS=kilted; . ./env.sh      the same with another ROS 2, made before by `make ROS=kilted build`
#
# A plain sh cannot tell where a sourced file lies: there, be in the checkout or set SUSTAINML_ROOT to it.

if [ -n "${BASH_VERSION:-}" ]; then
    sustainml_root=$(CDPATH='' cd -- "$(dirname -- "$BASH_SOURCE")" && pwd)
elif [ -n "${ZSH_VERSION:-}" ]; then
    eval 'sustainml_root=${${(%):-%x}:A:h}'
elif [ -f ./scripts/which_ros.sh ]; then
    sustainml_root=$(pwd)
else
    sustainml_root=${SUSTAINML_ROOT:-$(pwd)}
fi
if [ ! -f "$sustainml_root/scripts/which_ros.sh" ]; then
    echo "sustainml: where is the checkout? cd into it, or set SUSTAINML_ROOT, and source env.sh again" >&2
    return 1
fi
. "$sustainml_root/scripts/which_ros.sh" || return 1

sustainml_venv=$sustainml_root/.venv$sustainml_suffix
sustainml_install=$sustainml_root/install$sustainml_suffix
if [ ! -f "$sustainml_install/.made" ] && [ -z "${SUSTAINML_BUILDING:-}" ]; then
    echo "sustainml: this environment is not made yet; run: make -C $sustainml_root${ROS:+ ROS=$ROS} build" >&2
    return 1
fi

# sustainml_prepend VARIABLE ENTRIES: in front of what is there, less what an earlier sourcing left.
sustainml_prepend() {
    eval "sustainml_rest=\${$1:-}:"
    sustainml_list=$2
    while [ -n "$sustainml_rest" ]; do
        sustainml_entry=${sustainml_rest%%:*}
        sustainml_rest=${sustainml_rest#*:}
        case $sustainml_kind:$sustainml_entry in
        *: | *:"$sustainml_root"/.venv* | *:"$sustainml_root"/install* | *:"$sustainml_root"/build*) ;;
        wheels:/opt/ros/*) ;;  # wheels of one distribution and an installation of another do not mix
        *) sustainml_list=$sustainml_list:$sustainml_entry ;;
        esac
    done
    eval "export $1=\$sustainml_list"
}

sustainml_prefixes=$sustainml_install
sustainml_libraries=$sustainml_install/lib
if [ "$sustainml_kind" = wheels ]; then
    sustainml_prefixes=$sustainml_prefixes:$sustainml_venv
    sustainml_libraries=$sustainml_libraries:$sustainml_venv/lib
    for sustainml_entry in "$sustainml_venv"/lib/python3.*/site-packages/ros_*.libs; do
        sustainml_libraries=$sustainml_libraries:$sustainml_entry
    done
    # Python in the wheels starts itself a second time to set LD_LIBRARY_PATH, unless told that it is set.
    export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
    # ROS tools ask for the distribution; the second name tells it from that of a sourced installation.
    export ROS_DISTRO="$sustainml_distro" SUSTAINML_WHEELS="$sustainml_distro"
else
    unset SUSTAINML_WHEELS
fi
sustainml_python=$(cd "$sustainml_venv/lib" && echo python3.*)
sustainml_prepend PATH "$sustainml_venv/bin"
sustainml_prepend LD_LIBRARY_PATH "$sustainml_libraries"
sustainml_prepend AMENT_PREFIX_PATH "$sustainml_prefixes"
sustainml_prepend CMAKE_PREFIX_PATH "$sustainml_prefixes"
sustainml_prepend PYTHONPATH \
    "$sustainml_install/lib/$sustainml_python/site-packages:$sustainml_root/build$sustainml_suffix/sustainml_orchestrator"
export VIRTUAL_ENV="$sustainml_venv"
export SUSTAINML_ROOT="$sustainml_root"
export ROS_AUTOMATIC_DISCOVERY_RANGE="${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
hash -r 2>/dev/null

unset -f sustainml_prepend
unset sustainml_root sustainml_venv sustainml_install sustainml_prefixes sustainml_libraries sustainml_python \
    sustainml_rest sustainml_list sustainml_entry sustainml_kind sustainml_distro sustainml_suffix
