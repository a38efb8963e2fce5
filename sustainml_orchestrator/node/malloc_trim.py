"""Returns freed memory to the operating system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

#: Bytes of payloads that must have been dropped until it is worth the time.
_WORTH = 16 * 2**20


class Memory:
    """Calls malloc_trim of glibc after many payloads were dropped.

    glibc keeps freed memory as long as anything behind it is in use: after a thousand problems had
    been deleted, the process was as large as with them.
    """

    def __init__(self) -> None:
        self._most = self._last = 0
        self._trim = None
        with suppress(OSError, AttributeError):  # not with another C library than glibc
            self._trim = ctypes.CDLL(None).malloc_trim

    def update(self, payload_bytes: int) -> None:
        """Trim if the size of all payloads has fallen and falls no more; to be called regularly."""
        falling, self._last = payload_bytes < self._last, payload_bytes
        if self._most - payload_bytes >= _WORTH and not falling:
            self._most = payload_bytes
            if self._trim is not None:
                self._trim(0)
        self._most = max(self._most, payload_bytes)
