"""Replicas behind HAProxy that are replaced one by one under load: no request is lost; row 1."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from pytriton_plugins.testing import wait_until
from tests.support.cluster.balancer import Balancer, balancer, documented, of_connections, without_retries
from tests.support.cluster.replicas import DRAIN_DELAY, Replica, all_up, answered_by
from tests.support.measure.figures import CLUSTER
from tests.support.sandbox.namespaces import Network
from tests.support.traffic.clients import texts
from tests.support.traffic.load import Load

CLIENTS = 32
REQUESTS, PAUSE = (20_000, 0.0) if CLUSTER.full else (3_000, 0.05)
AGE = 500
"""Milliseconds after which tritonserver has a client of gRPC connect anew."""

INPUTS = {"gate": texts(""), "seconds": np.zeros((1, 1), np.float32)}


def replace(replica: Replica, proxy: Balancer, load: Load) -> float:
    """Stop the replica, start it again and wait until it answers; returns the seconds until its end."""
    began = time.monotonic()
    assert replica.host.stop() == 0
    ended = time.monotonic()
    replica.start()
    wait_until(lambda: all_up(proxy, [replica]), 60, f"{replica.name} is up again")
    wait_until(lambda: any(each.by == replica.name and each.began > ended for each in [*load.sent]), 10, "it answers")
    return ended - began


def test_nothing_is_lost(three: list[Replica], net: Network, tmp_path: Path) -> None:
    """Half of the clients open a new connection for each request."""
    with balancer(net, tmp_path / "balancer", without_retries(documented())) as proxy:
        wait_until(lambda: all_up(proxy, three), 60, "all replicas are up")
        with Load(
            proxy, "named", lambda: INPUTS, clients=CLIENTS, anew=(False, True), pause=PAUSE, by=answered_by
        ) as load:
            durations = [replace(replica, proxy, load) for replica in three]
            wait_until(lambda: len(load.sent) >= REQUESTS, 600, "all requests are sent")
    lost = [*load.failed, *(each for each in proxy.requests() if each.failed)]
    assert not lost, (len(lost), lost[:3])
    CLUSTER.figure(1, f"rolling update, {CLIENTS} clients, {len(load.sent)} requests: lost", [len(load.failed)], "", 0)
    CLUSTER.figure(
        1, "from SIGTERM to exit 0, less the drain delay", [each - DRAIN_DELAY for each in durations], limit=3
    )


def test_grpc_leaves_kept_connections_in_time(three: list[Replica], net: Network, tmp_path: Path) -> None:
    """The balancer passes on whole connections."""
    aging = three[0]
    aging.end()
    aging.start(f"--server-option=grpc-max-connection-age={AGE}")
    aging.host.wait_ready()
    with balancer(net, tmp_path / "balancer", of_connections(documented())) as proxy:
        wait_until(lambda: all_up(proxy, three), 60, "all replicas are up")
        with Load(
            proxy, "named", lambda: INPUTS, clients=CLIENTS, protocols=("grpc",), pause=PAUSE, by=answered_by
        ) as load:
            wait_until(lambda: {each.by for each in [*load.sent]} == {each.name for each in three}, 30, "all answer")
            assert aging.host.stop() == 0
    assert not load.failed, (len(load.failed), load.failed[:3])
    CLUSTER.figure(1, f"gRPC, connections balanced, {len(load.sent)} requests: lost", [len(load.failed)], "", 0)
