"""Three hosts in network namespaces behind Debian's HAProxy; runs in pytest, as root."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import figures
import pytest
from balancer import Balancer, balancer, documented
from namespaces import Network, network
from replicas import Replica

MODELS = Path(__file__).parents[1] / "models" / "replica.py"


@pytest.fixture(autouse=True)
def ruler() -> Iterator[None]:
    """Measures beside each test how late the machine wakes a sleeper."""
    with figures.Ruler() as figures.ruler:
        yield
    figures.ruler = None


@pytest.fixture
def net() -> Iterator[Network]:
    with network(3) as made:
        yield made


@pytest.fixture
def replicas(net: Network, tmp_path: Path) -> Iterator[Callable[..., list[Replica]]]:
    """Makes the three with these options of `serve`, none of which is started."""
    made: list[Replica] = []

    def make(*options: str) -> list[Replica]:
        made.extend(Replica(net, number, [MODELS, *options], tmp_path) for number in (1, 2, 3))
        return made

    yield make
    for replica in made:
        replica.end()


@pytest.fixture
def balanced(net: Network, tmp_path: Path) -> Iterator[Callable[..., Balancer]]:
    """Starts HAProxy with the documented configuration, once it was changed."""
    with contextlib.ExitStack() as running:

        def start(change: Callable[[str], str] = lambda text: text) -> Balancer:
            return running.enter_context(balancer(net, tmp_path / "balancer", change(documented())))

        yield start
