"""One host that the tests of this folder share; they leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytriton_plugins.client import Client
from pytriton_plugins.testing import RunningHost, run_host
from tests.support.paths import MODELS

PROTOCOLS = ("grpc", "http")


@pytest.fixture(scope="session")
def host() -> Iterator[RunningHost]:
    """Serves the models of called.py and kinds.py."""
    options = ["--forward-header=x-team"]
    with run_host(MODELS / "called.py", MODELS / "kinds.py", options=options) as running:
        yield running


@pytest.fixture(params=PROTOCOLS)
def url(request: pytest.FixtureRequest, host: RunningHost) -> str:
    """The URL of the host, for each protocol."""
    return f"{request.param}://{getattr(host, request.param)}"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, timeout=60) as made:
        yield made
