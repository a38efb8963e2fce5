"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

#: Bytes of payloads that must have been dropped until it is worth the time.
_WORTH = 16 * 2**20


class Memory:
    """Gives back what dropped payloads leave behind.

    The allocator of the C library keeps freed memory for later as long as anything behind it is in
    use: after a thousand problems had been deleted, the process was as large as with them.
    """

    def __init__(self) -> None:
        self._most = self._last = 0
        self._trim = None
        with suppress(OSError, AttributeError):  # not with another C library than glibc
            self._trim = ctypes.CDLL(None).malloc_trim

    def look(self, payload_bytes: int) -> None:
        """Take note of how much is stored now; to be called now and then."""
        falling, self._last = payload_bytes < self._last, payload_bytes
        if self._most - payload_bytes >= _WORTH and not falling:
            self._most = payload_bytes
            if self._trim is not None:
                self._trim(0)
        self._most = max(self._most, payload_bytes)
