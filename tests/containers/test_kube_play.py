"""The rendered Deployment, run by podman as one pod.

podman ignores the probes' timers, the spread and `medium: Memory`, and runs one replica.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import yaml

from pytriton_plugins.testing import wait_until
from tests.support.sandbox.command import call_host
from tests.support.sandbox.podman import Container, Podman
from tests.support.traffic.clients import PROTOCOLS, infer
from tests.support.traffic.load import Load

PLAYED = {"ConfigMap", "Deployment"}
GRACE, DELAY = 45, 5
"""Of the rendered pod: the daemon's own arithmetic."""

END = 4
"""Seconds that the stop may take beyond the delay: nothing is in flight then."""

ROW = np.array([[1.0, 2.0]], np.float32)


def rendered(folder: Path, image: str) -> Path:
    """The objects that podman supports, from `manifests` for a file that serves one of the image's models."""
    config = folder / "pytriton-host.toml"
    config.write_text('enable = ["add-sub"]\n\n[models.add_sub]\nworkers = 2\n')
    done = call_host("manifests", "--image", image, "--config", str(config))
    assert done.returncode == 0, done.stderr
    objects = [each for each in yaml.safe_load_all(done.stdout) if each["kind"] in PLAYED]
    assert [each["kind"] for each in objects] == ["ConfigMap", "Deployment"]
    file = folder / "objects.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    return file


@contextlib.contextmanager
def played(podman: Podman, file: Path) -> Iterator[Container]:
    """The daemon's container in the pod."""
    try:
        podman.call("play", "kube", str(file))
        pod = podman.inspect_pod("models-pod-0")
        (name,) = [each["Name"] for each in pod["Containers"] if each["Id"] != pod["InfraContainerID"]]
        infra = podman.inspect("container", pod["InfraContainerID"])
        (network,) = infra["NetworkSettings"]["Networks"].values()
        container = Container(podman, name, network["IPAddress"])
        container.wait_ready()
        yield container
    finally:
        podman.call("play", "kube", "--down", str(file), check=False)


def test_the_deployment_serves_and_stops(podman: Podman, image: str, tmp_path: Path) -> None:
    with played(podman, rendered(tmp_path, image)) as container:
        for protocol in PROTOCOLS:
            answered = infer(container.host, protocol, "add_sub", {"a": ROW, "b": ROW})
            assert answered["sum"].tolist() == [[2.0, 4.0]]
        ready = container.run("pytriton-host", "health", "ready")
        assert (ready.returncode, ready.stderr) == (0, "")
        # What the chart's test of a release runs (tests/manifests).
        asked = container.run("pytriton-host", "infer", "--wait", "30", "add_sub", "a=1,2,3", "b=1,2,3")
        assert (asked.returncode, asked.stderr) == (0, "")
        config = container.run("pytriton-host", "config").stdout.splitlines()
        settings = {line.split()[0]: line.split()[1:] for line in config if len(line.split()) > 2}
        assert settings["enable"][0] == "add-sub"
        assert settings["grace_period"] == ["45.0", "PYTRITON_HOST_GRACE_PERIOD"]
        assert settings["models.add_sub.workers"][0] == "2"
        assert container.run("touch", "/etc/x").returncode != 0
        with Load(container.host, "add_sub", lambda: {"a": ROW, "b": ROW}, clients=8, anew=(False, True)) as load:
            wait_until(lambda: len(load.sent) > 100, 30, "the clients are at work")
            stopped = time.monotonic()
            with ThreadPoolExecutor(1) as pool:
                stopping = pool.submit(container.stop, GRACE)
                # Like a cluster, whose endpoints have changed by then. podman takes the pod's address away in the end.
                wait_until(lambda: time.monotonic() > stopped + DELAY - 1, DELAY + 1, "the drain delay is nearly over")
                load.stop()
                code = stopping.result()
            duration = time.monotonic() - stopped
    assert code == 0
    assert DELAY <= duration < DELAY + END
    assert [each for each in load.sent if each.error] == []
