"""One host for all tests that leave it as it was; runs in pytest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytriton_plugins.testing import RunningHost, run_host
from tests.support.paths import MODELS


@pytest.fixture(scope="session")
def host() -> Iterator[RunningHost]:
    """Serves the models of kinds.py and misbehaving.py."""
    with run_host(MODELS / "kinds.py", MODELS / "results.py") as running:
        yield running
