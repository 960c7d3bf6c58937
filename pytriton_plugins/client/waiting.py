"""Waits until a server or a model is ready."""

from __future__ import annotations

import time

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.errors import ClientError, DeadlineExceeded, NotFound, Unavailable
from pytriton_plugins.client.transport.failures import subject

POLL_INTERVAL = 0.1
"""Seconds between two questions."""

ATTEMPT = 5.0
"""Seconds for the answer to one."""


def attempt_timeout(end: float | None) -> float:
    """The seconds for one question of a wait until ``end``."""
    return ATTEMPT if end is None else min(ATTEMPT, max(0.05, end - time.monotonic()))


_PASSING = (Unavailable, DeadlineExceeded, NotFound)
"""What may end with time."""


def not_ready(
    address: Address, model: str, problem: ClientError | None, end: float | None, timeout: float | None
) -> None:
    """Return if the wait goes on; raises DeadlineExceeded at its ``end``, and ``problem`` if time does not help."""
    if problem is not None and not isinstance(problem, _PASSING):
        raise problem
    if end is not None and time.monotonic() >= end:
        reason = str(problem) if problem else "it reports that it is not ready"
        raise DeadlineExceeded(
            f"{subject(address, model)}: not ready after {timeout:g} s: {reason}", "", model
        ) from None
