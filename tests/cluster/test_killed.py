"""A replica behind HAProxy is killed under load: its requests in flight fail, and no others; row 2."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import attrs
import numpy as np

from pytriton_plugins.testing import wait_until
from tests.support.cluster.balancer import Balancer, balancer, documented, without_retries
from tests.support.cluster.replicas import PORTS, Replica, all_up, answered_by, down
from tests.support.measure.figures import CLUSTER
from tests.support.sandbox.namespaces import Network
from tests.support.traffic.clients import texts
from tests.support.traffic.load import Load, Sent

CLIENTS = 32
RUNS = 10 if CLUSTER.full else 2
REFUSED = 16
"""Connections that are on their way when the first is refused."""

INPUTS = {"gate": texts(""), "seconds": np.full((1, 1), 0.02, np.float32)}
SENT_MEANWHILE = 6
"""Requests that come between the count and the kill: a third of the clients have theirs there, and all others none."""

WINDOW = 1.0
"""Seconds after the kill until the last request fails; the checks look twice a second."""


@attrs.frozen
class Kill:
    """The result of one kill: times by the monotonic clock, failed requests, refused connections."""

    killed: float
    gone: float
    in_flight: int
    failed: list[Sent]
    refused: int

    @property
    def window(self) -> float:
        return max(each.ended for each in self.failed) - self.killed


def refuses(replica: Replica) -> bool:
    """Whether connections to the replica are refused."""
    for port in PORTS:
        try:
            socket.create_connection((replica.address, port), timeout=5).close()
        except (ConnectionRefusedError, ConnectionResetError):  # reset: the end came just now
            continue
        return False
    return True


def kill(replica: Replica, proxy: Balancer) -> Kill:
    """Kill the replica under load, which continues until long after the replica is marked down."""
    before = refused(proxy)
    with Load(proxy, "named", lambda: INPUTS, clients=CLIENTS, anew=(False, True), by=answered_by) as load:
        wait_until(lambda: len(load.sent) > 10 * CLIENTS, 30, "the clients are at work")
        in_flight = proxy.in_flight(replica.name)
        killed = time.monotonic()
        replica.kill()
        wait_until(lambda: refuses(replica), what="its ports are closed")
        gone = time.monotonic()
        wait_until(lambda: down(proxy, replica), what="it is marked down")
        wait_until(lambda: sum(each.began > gone for each in [*load.sent]) > 30 * CLIENTS, 60, "the others go on")
    replica.end()
    return Kill(killed, gone, in_flight, load.failed, refused(proxy) - before)


def refused(proxy: Balancer) -> int:
    return sum(each.state == "SC" for each in proxy.requests())


def killed_several_times(three: list[Replica], proxy: Balancer) -> list[Kill]:
    kills = []
    for run in range(RUNS):
        wait_until(lambda: all_up(proxy, three), 60, "all replicas are up")
        victim = three[run % len(three)]
        kills.append(kill(victim, proxy))
        victim.start()
    assert all(each.failed for each in kills), "nothing was in flight"
    return kills


def test_only_requests_in_flight_fail(three: list[Replica], net: Network, tmp_path: Path) -> None:
    with balancer(net, tmp_path / "balancer", documented()) as proxy:
        kills = killed_several_times(three, proxy)
    for each in kills:
        late = [sent for sent in each.failed if sent.began > each.gone]
        assert not late, (each.gone, late[:3])
    CLUSTER.figure(2, "replica SIGKILL: requests in flight there just before", [each.in_flight for each in kills], "")
    CLUSTER.figure(2, "requests that failed, each sent before it was gone", [len(each.failed) for each in kills], "")
    more = [len(each.failed) - each.in_flight for each in kills]
    CLUSTER.figure(2, "more of them than were in flight just before", more, "", SENT_MEANWHILE)
    CLUSTER.figure(2, "requests that failed for a refused connection", [each.refused for each in kills], "", 0)
    windows = [each.window for each in kills]
    CLUSTER.figure(2, "from SIGKILL to the last that failed", windows, limit=WINDOW)


def test_without_retries_refused_connections_fail_too(three: list[Replica], net: Network, tmp_path: Path) -> None:
    """They fail only until the balancer notices the first."""
    with balancer(net, tmp_path / "balancer", without_retries(documented())) as proxy:
        kills = killed_several_times(three, proxy)
    for each in kills:
        assert len([sent for sent in each.failed if sent.began > each.gone]) <= each.refused
    refused = [each.refused for each in kills]
    CLUSTER.figure(2, "without retries: requests that failed for a refused connection", refused, "", REFUSED)
    windows = [each.window for each in kills]
    CLUSTER.figure(2, "without retries: from SIGKILL to the last that failed", windows, limit=WINDOW)
