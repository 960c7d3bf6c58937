"""Fixtures for all tests of faults."""

from __future__ import annotations

import pytest

from pytriton_plugins.testing import run_host
from tests.support.paths import MODELS
from tests.support.sandbox.stops import stopped


@pytest.fixture(scope="module")
def usual_stop() -> float:
    """Seconds that an ordinary stop takes on this machine, busy as it is."""
    with run_host(MODELS / "life.py") as host:
        return stopped(host)
