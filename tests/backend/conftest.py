"""One real tritonserver for the tests of a module; the test acts as its daemon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backend.server import Backend, run_backend


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    folder: Path = tmp_path_factory.mktemp("backend")
    with run_backend(folder) as running:
        yield running


@pytest.fixture(autouse=True)
def _forget(request: pytest.FixtureRequest) -> Iterator[None]:
    """Removes the models and workers of a test, so that tests do not affect each other."""
    yield
    if "backend" in request.fixturenames:
        request.getfixturevalue("backend").forget()
