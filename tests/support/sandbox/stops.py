"""How long a stop takes, compared with an ordinary one on the same machine."""

from __future__ import annotations

import time

from pytriton_plugins.testing import RunningHost

SOON = 8.0
"""Seconds beyond an ordinary stop: less than the ten that a running tritonserver gets for an answer."""


def stopped(host: RunningHost) -> float:
    """Seconds from SIGTERM to the end, with exit code 0."""
    began = time.monotonic()
    assert host.stop(timeout=60) == 0
    return time.monotonic() - began
