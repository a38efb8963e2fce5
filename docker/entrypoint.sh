#!/bin/bash
# Runs a command, or a node by its name, in the environment of the image:
#
#     docker run --rm sustainml_orchestrator sustainml doctor
#     docker run --rm sustainml_orchestrator hw_resources --ros-args -p workers:=2
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/env.sh"
PATH=${AMENT_PREFIX_PATH%%:*}/lib/sustainml_orchestrator:$PATH  # of the ROS 2 in use
exec "$@"
