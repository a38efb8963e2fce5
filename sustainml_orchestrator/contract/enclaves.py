"""Enclaves of SROS 2: each node has one, called as the node; all front-ends share one."""

from __future__ import annotations

import os

FRONT_END = "front_end"


def enclave(namespace: str, node: str) -> str:
    """Enclave of a node in the security policy."""
    return f"/{namespace.strip('/')}/{node}".replace("//", "/")


def is_secured() -> bool:
    """Whether ROS is told to use DDS Security."""
    return os.environ.get("ROS_SECURITY_ENABLE") == "true"
