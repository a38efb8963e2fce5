"""Time, and messages on their way: late, lost, twice; in order per channel as DDS keeps it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from random import Random

from support.simulation.faults import Faults

Action = Callable[[], None]


class Network:
    """The clock and everything that will happen."""

    def __init__(self, random: Random, faults: Faults) -> None:
        self.now = 0.0
        self._random = random
        self._faults = faults
        self._agenda: list[tuple[float, int, Action]] = []
        self._numbers = count()
        self._channels: dict[tuple[str, str, str], float] = {}
        self._sent = 0
        self._cut: dict[tuple[str, str], float] = {}

    @property
    def faulty(self) -> bool:
        """Whether faults happen still."""
        return self.now < self._faults.until

    def after(self, delay: float, action: Action) -> None:
        """Let something happen later."""
        heapq.heappush(self._agenda, (self.now + delay, next(self._numbers), action))

    def cut(self, writer: str, reader: str, seconds: float) -> None:
        """For so long nothing goes from the one to the other; the way back may be open."""
        self._cut[writer, reader] = self.now + seconds

    def is_cut(self, writer: str, reader: str) -> bool:
        """Whether nothing goes from the one to the other at present."""
        return self.now < self._cut.get((writer, reader), 0.0)

    def send(self, topic: str, writer: str, reader: str, deliver: Action) -> bool:
        """Let a message arrive, or not; returns whether it will."""
        random, faults, faulty = self._random, self._faults, self.faulty
        self._sent += 1
        delay = random.expovariate(1 / faults.delay) if faulty else 0.001
        if self._cut and self.is_cut(writer, reader):
            return False
        if faulty:
            if random.random() < faults.drop or self._sent == faults.lose_nth:
                return False
            if random.random() < faults.spike:
                delay += random.uniform(0, 6)
        channel = (topic, writer, reader)
        arrival = max(self._channels.get(channel, 0.0), self.now + delay)
        self._channels[channel] = arrival
        copies = 2 if faulty and random.random() < faults.duplicate else 1
        for _ in range(copies):
            self.after(arrival - self.now, deliver)
        return True

    def step(self) -> None:
        """Let the next thing happen."""
        self.now, _, action = heapq.heappop(self._agenda)
        action()
