"""One host that the tests of this folder share; they leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost, run_host


@pytest.fixture(scope="session")
def host() -> Iterator[RunningHost]:
    """Serves the models of served.py."""
    with run_host(Path(__file__).with_name("served.py"), options=["--forward-header=x-team"]) as running:
        yield running


@pytest.fixture(params=["http", "grpc"])
def url(request: pytest.FixtureRequest, host: RunningHost) -> str:
    """The URL of the host, for each protocol."""
    return f"{request.param}://{getattr(host, request.param)}"


@pytest.fixture
def grpc_url(host: RunningHost) -> str:
    """The URL for decoupled models."""
    return f"grpc://{host.grpc}"
