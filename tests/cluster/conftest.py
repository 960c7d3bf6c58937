"""Three hosts in network namespaces for the whole run; needs root."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.cluster.replicas import DRAIN_DELAY, Replica
from tests.support.measure import figures
from tests.support.paths import MODELS
from tests.support.sandbox.namespaces import Network, network

os.environ["PYTRITON_TEST_PATIENCE"] = "1"  # here how long it takes is what is shown

REPLICA = MODELS / "replica.py"


@pytest.fixture(autouse=True)
def ruler() -> Iterator[None]:
    """Measures during each test how late the machine wakes a sleeping process."""
    with figures.Ruler() as figures.ruler:
        yield
    figures.ruler = None


@pytest.fixture(scope="session")
def net() -> Iterator[Network]:
    with network(3) as made:
        yield made


@pytest.fixture(scope="session")
def replicas(net: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Replica]]:
    folder = tmp_path_factory.mktemp("replicas")
    options = [str(REPLICA), f"--drain-delay={DRAIN_DELAY}"]
    made = [Replica(net, number, options, folder) for number in range(1, len(net.members) + 1)]
    yield made
    for replica in made:
        replica.end()


@pytest.fixture
def three(replicas: list[Replica]) -> list[Replica]:
    """All three replicas, ready, whatever state the last test left them in."""
    for replica in replicas:
        if not replica.runs():
            replica.start()
    for replica in replicas:
        replica.host.wait_ready()
    return replicas
