"""The metric by which replicas are added, in a real Prometheus; row 4."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np

from pytriton_plugins.deploy.scaling import adapter_rule, requests_per_pod
from pytriton_plugins.testing import wait_until
from tests.support.cluster.balancer import balancer, documented, of_the_first
from tests.support.cluster.prometheus import Target, prometheus
from tests.support.cluster.replicas import Replica, all_up
from tests.support.measure.figures import CLUSTER
from tests.support.sandbox.namespaces import Network
from tests.support.traffic.clients import texts
from tests.support.traffic.load import Load
from tests.support.traffic.scrape import value

CLIENTS = 30
SOON = 15.0
"""Seconds; the daemon looks twice a second, Prometheus once, and a pod's page counts as it was then."""


class Hold:
    """A file whose readers wait until it is opened; later readers do not wait."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # A writer that is a reader as well does not wait for one.
        self._writer = os.open(path, os.O_RDWR)

    def open(self) -> None:
        opened = self.path.with_suffix(".open")
        opened.touch()
        opened.rename(self.path)
        os.close(self._writer)


def running(replica: Replica) -> float | None:
    return value(replica.host.metrics, "pytriton_running_requests", model="named", version="1")


def as_asked(pods: list[str]) -> str:
    """The query of the adapter's rule for these pods of the namespace."""
    matchers = f'namespace="models",pod=~"{"|".join(pods)}"'
    query = str(adapter_rule()["metricsQuery"])
    return query.replace("<<.GroupBy>>", "namespace,pod").replace("<<.LabelMatchers>>", matchers)


def test_requests_that_each_pod_has(three: list[Replica], net: Network, tmp_path: Path) -> None:
    """Running requests, those that wait for a worker, and those in Triton's queue."""
    pods, other = three[:2], three[2]
    targets = [Target(each.host.metrics, "models", each.name) for each in pods]
    targets.append(Target(other.host.metrics, "others", other.name))
    hold = Hold(tmp_path / "gate")
    inputs = {"gate": texts(str(hold.path)), "seconds": np.zeros((1, 1), np.float32)}
    query = requests_per_pod("models", 'pod=~"models-.*"')
    with (
        balancer(net, tmp_path / "balancer", of_the_first(2, documented())) as proxy,
        prometheus(net, tmp_path / "prometheus", targets) as asked,
    ):
        wait_until(lambda: all_up(proxy, pods), 30, "both are up")
        wait_until(lambda: asked.values(query) == [0], SOON, "no requests")
        with Load(proxy, "named", lambda: inputs, clients=CLIENTS) as load, contextlib.ExitStack() as in_the_end:
            in_the_end.callback(hold.open)
            wait_until(lambda: all(running(pod) for pod in pods), SOON, "some run")
            wait_until(lambda: asked.values(query) == [CLIENTS / 2], SOON, "half of the clients for each")
            off = [value - CLIENTS / 2 for value in asked.values(query)]
            assert asked.values(requests_per_pod("others")) == [0]
            # As Prometheus' adapter asks for the autoscaler, which takes the mean itself.
            of_pods = asked.values(as_asked(["models-1", "models-2"]))
            assert (len(of_pods), sum(of_pods)) == (2, CLIENTS)
            assert all(0 < (running(pod) or 0) <= 8 for pod in pods)
            load.end()
        assert load.failed == []
        wait_until(lambda: asked.values(query) == [0], SOON, "none any more")
    CLUSTER.figure(4, f"{CLIENTS} held requests, two pods: off the mean that Prometheus says", off, "", 0)
