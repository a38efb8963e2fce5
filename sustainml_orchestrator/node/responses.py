"""Responses that the middleware could not send at once are sent again.

A client may be known by its request before it can be reached: the two are on different topics. The
middleware waits 0.1 s for that, then gives up with a warning, and the call would never be answered.
"""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from rclpy.service import Service

from sustainml_orchestrator.core.text import exception_text

_UNSENT = "failed to send response"
#: How often, and for how long, a response is tried again, in s.
_PERIOD, _PATIENCE = 0.2, 10.0


class _Unsent(NamedTuple):
    service: Service
    header: Any
    response: Any
    deadline: float


class Responses:
    """Sends responses; repeats those that cannot be sent yet.

    Args:
        log: called with a sentence about a response that is given up.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._unsent: deque[_Unsent] = deque()
        self._due = 0.0
        self._failed = False
        warnings.filterwarnings("always", message=_UNSENT)
        self._show = warnings.showwarning
        warnings.showwarning = self._warned

    def send(self, service: Service, header: Any, response: Any) -> None:
        """Send a response, now or by `retry`."""
        if not self._try(service, header, response):
            deadline = time.monotonic() + _PATIENCE
            self._unsent.append(_Unsent(service, header, response, deadline))

    def retry(self) -> None:
        """Send again, once per period, the response that has waited longest; call it often."""
        now = time.monotonic()
        if not self._unsent or now < self._due:
            return
        self._due = now + _PERIOD
        unsent = self._unsent.popleft()
        if self._try(*unsent[:3]):
            return
        if now < unsent.deadline:
            self._unsent.append(unsent)
        else:
            name = unsent.service.service_name
            self._log(f"a response of {name} was given up: its client cannot be reached")

    @property
    def waiting(self) -> int:
        """How many responses wait to be sent."""
        return len(self._unsent)

    def _try(self, service: Service, header: Any, response: Any) -> bool:
        self._failed = False
        try:
            service.send_response(response, header)
        except Exception:
            name = service.service_name
            self._log(f"a response of {name} cannot be sent:\n{exception_text()}")
        return not self._failed

    def _warned(self, message: Warning | str, *args: Any, **kwargs: Any) -> None:
        if _UNSENT in str(message):
            self._failed = True
        else:
            self._show(message, *args, **kwargs)
