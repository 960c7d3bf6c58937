"""Debian's Prometheus beside a network's balancer, queried over its HTTP API."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import attrs

from pytriton_plugins.testing import wait_until
from tests.support.sandbox.namespaces import Network


@attrs.frozen
class Target:
    """One metrics port, ``ADDRESS:PORT``, with the labels that Kubernetes' discovery gives to a pod."""

    metrics: str
    namespace: str
    pod: str


class Prometheus:
    """A Prometheus that scrapes once a second."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, folder: Path) -> None:
        self.process = process
        self._address = address
        self._folder = folder

    def started(self) -> bool:
        """Whether it answers; fails with its log if it has ended."""
        assert self.process.poll() is None, (self._folder / "log").read_text()
        with contextlib.suppress(OSError), urlopen(f"http://{self._address}/-/ready", timeout=60) as answer:
            return bool(answer.status == 200)
        return False

    def values(self, query: str) -> list[float]:
        """The present value of each series of the query, in order."""
        with urlopen(f"http://{self._address}/api/v1/query?{urlencode({'query': query})}", timeout=60) as answer:
            result = json.load(answer)
        return [float(series["value"][1]) for series in result["data"]["result"]]


@contextlib.contextmanager
def prometheus(network: Network, folder: Path, targets: Sequence[Target]) -> Iterator[Prometheus]:
    """Prometheus in the network's own namespace; its files are in the new folder ``folder``."""
    folder.mkdir()
    found = [{"targets": [each.metrics], "labels": {"namespace": each.namespace, "pod": each.pod}} for each in targets]
    # JSON is valid YAML.
    configuration = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "pods", "static_configs": found}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    address = f"{network.balancer}:9090"
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command = [*network.inside(0), "prometheus", *options, f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    asked = Prometheus(process, address, folder)
    try:
        wait_until(asked.started, 30, "Prometheus is ready")
        yield asked
    finally:
        process.kill()
        process.wait()
