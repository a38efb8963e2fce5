"""The switch between the hosts of `support.network`: one port per host, frames read raw.

python -m support.network_switch SEED PORT …; a line of JSON on stdin says how it treats packets.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time
from itertools import count
from typing import Any

_ETH_P_ALL = 3
_PACKET_OUTGOING = 4
#: Frames taken from one port before the others have their turn.
_BATCH = 64
_SIOCETHTOOL = 0x8946
_ETHTOOL_STXCSUM = 0x17


def complete_checksums(interface: str) -> None:
    """Have the kernel write checksums into what leaves an interface: nothing else will do so."""
    value = ctypes.create_string_buffer(struct.pack("II", _ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCETHTOOL, request)


class Switch:
    """Forwards frames between ports, as it was last told to."""

    def __init__(self, seed: int, ports: list[int]) -> None:
        self._rng = random.Random(seed)
        self._ports = {number: self._open(f"port{number}") for number in ports}
        self._waiting: list[tuple[float, int, int, bytes]] = []
        self._serial = count()
        self.settings: dict[str, Any] = {}
        self._cuts: set[tuple[int, int]] = set()

    @staticmethod
    def _open(interface: str) -> socket.socket:
        port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        port.bind((interface, 0))
        port.setblocking(False)
        return port

    def obey(self, line: bytes) -> None:
        """Take new settings."""
        self.settings = json.loads(line)
        self._cuts = {tuple(pair) for pair in self.settings["cuts"]}

    def run(self) -> None:
        """Forward until stdin is closed."""
        numbers = {port: number for number, port in self._ports.items()}
        told = b""
        while True:
            timeout = max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None
            ready, _, _ = select.select([0, *numbers], [], [], timeout)
            for source in ready:
                if source != 0:
                    self._take(numbers[source], source)
                    continue
                if not (more := os.read(0, 65536)):
                    return
                *lines, told = (told + more).split(b"\n")
                for line in filter(None, lines):
                    self.obey(line)
            self._send_due()

    def _take(self, number: int, port: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                frame, address = port.recvfrom(65536)
            except (BlockingIOError, OSError):
                return
            if address[2] != _PACKET_OUTGOING:
                self._forward(number, frame)

    def _forward(self, source: int, frame: bytes) -> None:
        """To the host that it is for (its MAC ends with its number), or to all of them."""
        to_all = frame[0] & 1
        for number in self._ports if to_all else (frame[5],):
            if number != source and number in self._ports and (source, number) not in self._cuts:
                self._queue(number, frame)

    def _queue(self, number: int, frame: bytes) -> None:
        settings, rng = self.settings, self._rng
        if not settings:
            self._emit(number, frame)
            return
        if rng.random() < settings["loss"]:
            return
        for _ in range(1 + (rng.random() < settings["doubled"])):
            due = time.monotonic() + rng.uniform(*settings["delay"])
            heapq.heappush(self._waiting, (due, next(self._serial), number, frame))

    def _send_due(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, number, frame = heapq.heappop(self._waiting)
            self._emit(number, frame)

    def _emit(self, number: int, frame: bytes) -> None:
        try:
            self._ports[number].send(frame)
        except OSError:
            return  # its queue is full, or its host is going: a lost packet


def main() -> None:
    """Prepare the interfaces, wait until they are in their hosts, forward."""
    seed, *ports = map(int, sys.argv[1:])
    for number in ports:
        complete_checksums(f"host{number}")
        subprocess.run(["ip", "link", "set", f"port{number}", "up"], check=True)
    print("offload is off", flush=True)
    os.read(0, 1)  # not by sys.stdin, whose buffer would swallow settings that follow at once
    switch = Switch(seed, ports)
    print("forwarding", flush=True)
    os.read(0, 1)
    switch.run()


if __name__ == "__main__":
    main()
