"""The environment of this command: ROS, domain, discovery, locale, folders, disk."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator

import sustainml_orchestrator
from sustainml_orchestrator.cli import background
from sustainml_orchestrator.cli.examination.finding import Finding
from sustainml_orchestrator.contract import domain, middleware
from sustainml_orchestrator.core.text import cause

#: Free space that a journal needs to grow for a while, and to go on at all, in bytes.
_LEAST_FREE, _NONE_FREE = 500 * 2**20, 8 * 2**20


def environment() -> Iterator[Finding]:
    """All that can be seen without ROS."""
    yield from _versions()
    yield from _domain()
    yield from _discovery()
    yield from _texts()
    yield from _disk()


def _versions() -> Iterator[Finding]:
    distro = os.environ.get("ROS_DISTRO", "from wheels")
    version = f"sustainml {sustainml_orchestrator.__version__}"
    named = os.environ.get(middleware.VARIABLE) or "the default middleware"
    yield Finding("ok", f"{version}, Python {platform.python_version()}, ROS {distro}, {named}")
    if text := middleware.flaw():
        yield Finding.of_error(text)


def _domain() -> Iterator[Finding]:
    try:
        number = domain.current()
    except ValueError as error:
        yield Finding.of_error(str(error))
        return
    count = domain.participants(number)
    yield Finding("ok", f"ROS_DOMAIN_ID is {number}; it has {count} processes of this machine")
    if number > domain.LAST_SAFE:
        text = f"other programs may use the ports of domain {number}"
        yield Finding("warning", text, f"use a number from 0 to {domain.LAST_SAFE}")


def _discovery() -> Iterator[Finding]:
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper() or "SUBNET"
    if reach in ("SUBNET", "LOCALHOST"):
        whom = "this machine only" if reach == "LOCALHOST" else "the local network"
        yield Finding("ok", f"discovery range is {reach}: {whom}")
    else:
        remedy = "set ROS_AUTOMATIC_DISCOVERY_RANGE to LOCALHOST or SUBNET"
        yield Finding("warning", f"discovery range is {reach}", remedy)


def _texts() -> Iterator[Finding]:
    encoding = sys.stdout.encoding or "unknown"
    if encoding.lower().replace("-", "") != "utf8":
        text = f"the output has the encoding {encoding}: characters that it lacks are replaced"
        yield Finding("warning", text, "use a UTF-8 locale, for example LC_ALL=C.UTF-8")


def _disk() -> Iterator[Finding]:
    """Where `sustainml up` of this user writes."""
    try:
        folder = background.place(".log").parent
    except OSError as error:
        yield Finding.of_error(cause(error))
        return
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        tempfile.TemporaryFile(dir=folder).close()  # it has no name
    except OSError as error:
        remedy = "make it writable, or set ROS_HOME to another folder"
        text = f"{folder} cannot be written ({cause(error)}): no journal, no log file"
        yield Finding("error", text, remedy)
        return
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE:
        text = f"the disk of {folder} has {free / 2**20:.0f} MiB left"
        level = "error" if free < _NONE_FREE else "warning"
        yield Finding(level, text, "make room, or the journal cannot be written")
