# Sourced by env.sh and scripts/build.sh: which ROS 2 is meant, and what its directories are called.
#
#   ROS=kilted       asks for wheels of that distribution (of the sourced installation, where it is the same)
#   ROS_DISTRO=...   a sourced installation, used as it is; or, where SUSTAINML_WHEELS says the same, what env.sh set before
#   neither          Jazzy from wheels
#
# Sets sustainml_kind (wheels or installed), sustainml_distro and sustainml_suffix (of .venv, build, install, log);
# returns 1, having said why, where that ROS 2 cannot be used. Wants sustainml_root, the checkout.

sustainml_distro=${ROS:-${ROS_DISTRO:-jazzy}}
if [ "$sustainml_distro" = "${ROS_DISTRO:-}" ] && [ "$sustainml_distro" != "${SUSTAINML_WHEELS:-}" ]; then
    sustainml_kind=installed
    sustainml_suffix=-ros-$sustainml_distro
else
    sustainml_kind=wheels
    sustainml_suffix=-$sustainml_distro
    [ "$sustainml_distro" = jazzy ] && sustainml_suffix=
fi

case $sustainml_kind-${ROS_VERSION:-2}-$sustainml_distro in
wheels-*)
    if [ ! -f "$sustainml_root/requirements/ros-$sustainml_distro.txt" ]; then
        echo "sustainml: there are no wheels of ROS 2 '$sustainml_distro' here: choose ROS=jazzy or ROS=kilted, or source an installation of it" >&2
        return 1
    fi ;;
installed-2-[j-z]*) ;;  # the names of the distributions follow the alphabet
*)
    echo "sustainml: the sourced ROS '$sustainml_distro' is older than ROS 2 Jazzy: source Jazzy or newer, or say ROS=jazzy to use wheels beside it" >&2
    return 1 ;;
esac
