"""Waits until a server or a model is ready."""

from __future__ import annotations

import time

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.errors import ClientError, DeadlineExceeded, NotFound, Unavailable, WrongServer
from pytriton_plugins.client.transport.connection import Key
from pytriton_plugins.client.transport.failures import subject

SERVER: Key = ("", "")
"""In place of a model: the server."""

POLL_INTERVAL = 0.1
"""Seconds between two questions."""

ATTEMPT = 5.0
"""Seconds for the answer to one."""

_WRONG_TIME = 5.0
"""Seconds after which another server is believed: a port that a container publishes closes connections at first."""

_PASSING = (Unavailable, DeadlineExceeded, NotFound)
"""What may end with time."""


class Waiting:
    """One wait, which ends after ``timeout`` seconds."""

    def __init__(self, address: Address, model: str, timeout: float | None) -> None:
        self._subject = subject(address, model)
        self._model = model
        self._timeout = timeout
        self._start = time.monotonic()
        self._wrong_since: float | None = None
        self._reason = ""

    def attempt(self) -> float:
        """The seconds for one question."""
        if self._timeout is None:
            return ATTEMPT
        return min(ATTEMPT, max(0.05, self._start + self._timeout - time.monotonic()))

    def go_on(self, problem: ClientError | None) -> None:
        """Return if the wait goes on; raises DeadlineExceeded at its end, and ``problem`` if time does not help.

        ``problem`` is None where the answer was that it is not ready.
        """
        if problem is not None and self._is_final(problem):
            raise problem
        if not (self._reason and isinstance(problem, DeadlineExceeded)):  # the last question has little time
            self._reason = str(problem) if problem else "it reports that it is not ready; its log says why"
        if self._timeout is not None and time.monotonic() >= self._start + self._timeout:
            message = f"{self._subject}: not ready after {self._timeout:g} s: {self._reason}"
            raise DeadlineExceeded(message, "", self._model)

    def _is_final(self, problem: ClientError) -> bool:
        if not isinstance(problem, WrongServer):
            self._wrong_since = None
            return not isinstance(problem, _PASSING)
        if self._wrong_since is None:
            self._wrong_since = time.monotonic()
        return time.monotonic() >= self._wrong_since + _WRONG_TIME
