"""Replicas behind HAProxy that are replaced one after the other, under load: nothing is lost; row 1; runs in pytest."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from balancer import Balancer
from clients import texts
from figures import CLUSTER
from load import Load
from replicas import Replica

from pytriton_plugins.testing import wait_until

CLIENTS = 32
REQUESTS = 20_000 if CLUSTER.full else 3_000
DELAY = 5.0 if CLUSTER.full else 2.0
INPUTS = {"gate": texts(""), "seconds": np.zeros((1, 1), np.float32)}
BACKENDS = {"http", "grpc"}


def answered_by(result: Any) -> str:
    return str(result.as_numpy("replica").item().decode())


def replace(replica: Replica, proxy: Balancer, load: Load) -> float:
    """Stop the replica, start it again, and wait until it answers; seconds until its end."""
    began = time.monotonic()
    assert replica.host.stop() == 0
    took = time.monotonic() - began
    answered = Counter(each.by for each in load.sent)
    replica.start()
    wait_until(lambda: proxy.up(replica.name) == BACKENDS, 60, f"{replica.name} is up again")
    wait_until(lambda: Counter(each.by for each in load.sent)[replica.name] > answered[replica.name], 10, "it answers")
    return took


def test_nothing_is_lost(replicas: Callable[..., list[Replica]], balanced: Callable[..., Balancer]) -> None:
    """Half of the clients connect for each request. Seen red with ..."""
    three = replicas(f"--drain-delay={DELAY}")
    proxy = balanced()
    for replica in three:
        replica.start()
    wait_until(lambda: all(proxy.up(replica.name) == BACKENDS for replica in three), 60, "all replicas are up")
    with Load(proxy, "named", lambda: INPUTS, clients=CLIENTS, anew=(False, True), by=answered_by) as load:
        wait_until(lambda: {each.by for each in load.sent} == {each.name for each in three}, 30, "all replicas answer")
        took = [replace(replica, proxy, load) for replica in three]
        wait_until(lambda: len(load.sent) >= REQUESTS, 600, "all requests are sent")
    assert not load.failed, (len(load.failed), load.failed[:3], [each for each in proxy.requests() if each.failed][:10])
    assert [each for each in proxy.requests() if each.failed] == []
    CLUSTER.figure(
        1, f"rolling update under {CLIENTS} clients, {len(load.sent)} requests: lost", [len(load.failed)], "", 0
    )
    CLUSTER.figure(1, f"from SIGTERM to exit 0, delay {DELAY:g} s", took, limit=DELAY + 3)
