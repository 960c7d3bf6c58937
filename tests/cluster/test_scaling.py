"""One, two and three replicas behind HAProxy: the request rate grows with their number; row 3."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from pytriton_plugins.testing import wait_until
from tests.support.cluster.balancer import Balancer, balancer, documented, of_the_first
from tests.support.cluster.replicas import Replica, all_up, answered_by
from tests.support.measure.figures import CLUSTER
from tests.support.sandbox.namespaces import Network
from tests.support.traffic.load import Load

CLIENTS = 24
SECONDS = 20.0 if CLUSTER.full else 3.0
SLEEP = 0.02
"""Seconds that the callable takes, one request at a time: so much more than anything else does."""

INPUTS = {"seconds": np.full(1, SLEEP, np.float32)}


def requests_a_second(proxy: Balancer, replicas: list[Replica]) -> float:
    with Load(proxy, "alone", lambda: INPUTS, clients=CLIENTS, by=answered_by) as load:
        names = {replica.name for replica in replicas}
        wait_until(lambda: {each.by for each in [*load.sent]} == names, 30, "all replicas answer")
        began = time.monotonic()
        wait_until(lambda: time.monotonic() > began + SECONDS, 2 * SECONDS)
        ended = time.monotonic()
    assert load.failed == []
    return sum(began < each.ended <= ended for each in load.sent) / (ended - began)


def test_requests_a_second_are_linear(three: list[Replica], net: Network, tmp_path: Path) -> None:
    rates = []
    for count in (1, 2, 3):
        with balancer(net, tmp_path / str(count), of_the_first(count, documented())) as proxy:
            wait_until(lambda: all_up(proxy, three[:count]), 30, "they are up")  # noqa: B023
            rates.append(requests_a_second(proxy, three[:count]))
    assert 0.5 / SLEEP < rates[0] < 1 / SLEEP, "the sleep is what bounds it"
    for count, rate in enumerate(rates, 1):
        CLUSTER.figure(3, f"{count} replicas of a callable of {SLEEP * 1000:g} ms: requests a second", [rate], "")
    apart = [100 * abs(rate / (count * rates[0]) - 1) for count, rate in enumerate(rates, 1)]
    CLUSTER.figure(3, "from linear", apart[1:], "%", 10)
