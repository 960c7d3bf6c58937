"""Waits until a server or a model is ready."""

from __future__ import annotations

import time

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.errors import ClientError, DeadlineExceeded, Unavailable
from pytriton_plugins.client.failures import subject

POLL_INTERVAL = 0.1
"""Seconds between two questions."""

ATTEMPT = 5.0
"""Seconds for the answer to one."""

_PASSING = (Unavailable, DeadlineExceeded)
"""What may end with time; a model that is not there may still be loaded (NotFound), but only by name."""


def not_ready(
    address: Address, model: str, problem: ClientError | None, end: float | None, timeout: float | None
) -> None:
    """Return if the wait goes on; raises DeadlineExceeded at its ``end``, and ``problem`` if time does not help."""
    if problem is not None and not isinstance(problem, _PASSING) and problem.code != "NOT_FOUND":
        raise problem
    if end is not None and time.monotonic() >= end:
        reason = str(problem) if problem else "it reports that it is not ready"
        raise DeadlineExceeded(f"{subject(address, model)}: not ready after {timeout:g} s: {reason}", "", model) from None
