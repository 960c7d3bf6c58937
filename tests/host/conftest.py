"""One host that all tests of this folder share; they leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytriton_plugins.testing import RunningHost, run_host
from tests.support.paths import MODELS


@pytest.fixture(scope="session")
def host() -> Iterator[RunningHost]:
    """Serves the models of kinds.py and results.py."""
    with run_host(MODELS / "kinds.py", MODELS / "results.py") as running:
        yield running
