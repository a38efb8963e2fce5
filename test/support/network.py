"""Hosts on one machine, joined by a switch that can lose, delay, double, reorder and cut.

Each host is a network namespace with one interface; processes that run in it have a /dev/shm of
their own, so that they reach other hosts by real UDP packets alone. The switch is a process in
user space (`support.network_switch`), since not every kernel has netem. Needs root.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

_CLONE_NEWNET = 0x40000000
#: Runs a command with a /dev/shm of its own.
_PRIVATE = 'mount -t tmpfs tmpfs /dev/shm && exec "$@"'


def missing() -> str:
    """Why hosts cannot be made here; "" when they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    probe = ["unshare", "--net", "--mount", "sh", "-c", "ip link add v0 type veth peer name v1"]
    try:
        done = subprocess.run(probe, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"unshare and ip are needed ({error})"
    return done.stderr.strip() if done.returncode else ""


class Network:
    """Hosts 10.77.0.1, 10.77.0.2, …, and their switch, from entering to leaving its context.

    Args:
        hosts: names of the hosts.
        seed: of the switch's random numbers.
    """

    def __init__(self, hosts: Sequence[str], seed: int) -> None:
        self._hosts = {name: number for number, name in enumerate(hosts, 1)}
        self._seed = seed
        self._prefix = f"sustainml-{os.getpid()}"
        self._switch: subprocess.Popen[str] | None = None

    def __enter__(self) -> Network:
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._switch is not None:
            self._switch.kill()
            self._switch.communicate()
        for number in (0, *self._hosts.values()):
            subprocess.run(["ip", "netns", "del", self._name(number)], capture_output=True)

    def _name(self, number: int) -> str:
        return f"{self._prefix}-{number}"

    def _make(self) -> None:
        switch = self._name(0)
        _ip("netns", "add", switch)
        for number in self._hosts.values():
            _ip("netns", "add", self._name(number))
            mac = f"02:00:00:00:00:{number:02x}"
            peer = ("type", "veth", "peer", "name", f"host{number}", "address", mac)
            _ip("-n", switch, "link", "add", f"port{number}", *peer)
        ports = [str(number) for number in self._hosts.values()]
        command = (sys.executable, "-m", "support.network_switch", str(self._seed), *ports)
        self._switch = subprocess.Popen(
            ["ip", "netns", "exec", switch, *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._expect("offload is off")
        for number in self._hosts.values():
            self._join(number)
        self._expect("forwarding")

    def _join(self, number: int) -> None:
        host = self._name(number)
        _ip("-n", self._name(0), "link", "set", f"host{number}", "netns", host)
        _ip("-n", host, "addr", "add", f"10.77.0.{number}/24", "dev", f"host{number}")
        _ip("-n", host, "link", "set", "lo", "up")
        _ip("-n", host, "link", "set", f"host{number}", "up")
        _ip("-n", host, "route", "add", "224.0.0.0/4", "dev", f"host{number}")

    def _expect(self, line: str) -> None:
        assert self._switch is not None
        assert self._switch.stdout is not None
        assert self._switch.stdin is not None
        said = self._switch.stdout.readline().strip()
        if said != line:
            raise RuntimeError(f"the switch said '{said}', not '{line}'")
        self._switch.stdin.write("\n")
        self._switch.stdin.flush()

    def command(self, host: str, command: Iterable[str]) -> tuple[str, ...]:
        """A command line that runs a command on a host; its pid is that of the command."""
        where = f"--net={Path('/run/netns') / self._name(self._hosts[host])}"
        return (
            "nsenter", where, "unshare", "--mount", "sh", "-c", _PRIVATE, "sh", *command
        )  # fmt: skip

    def enter(self, host: str) -> None:
        """Move the calling thread, and those it starts from now on, to a host."""
        libc = ctypes.CDLL(None, use_errno=True)
        file = os.open(Path("/run/netns") / self._name(self._hosts[host]), os.O_RDONLY)
        try:
            if libc.setns(file, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(file)

    def set(
        self,
        *,
        loss: float = 0.0,
        doubled: float = 0.0,
        delay: tuple[float, float] = (0.0, 0.0),
        cuts: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Let the network be like this from now on; without arguments it is perfect.

        Args:
            loss: share of packets that are lost.
            doubled: share of packets that come twice.
            delay: shortest and longest delay of a packet, in s; they overtake each other.
            cuts: (from, to) pairs of hosts; what goes this way is lost.
        """
        pairs = [(self._hosts[a], self._hosts[b]) for a, b in cuts]
        self._tell({"loss": loss, "doubled": doubled, "delay": delay, "cuts": pairs})

    def _tell(self, settings: dict[str, Any]) -> None:
        assert self._switch is not None
        assert self._switch.stdin is not None
        self._switch.stdin.write(json.dumps(settings) + "\n")
        self._switch.stdin.flush()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
