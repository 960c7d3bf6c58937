"""A worker cannot be started for a moment: served models continue, and the worker starts as soon as it can."""

from __future__ import annotations

import os
import resource
import signal

from pytriton_plugins.testing import run_host, wait_until
from tests.support.paths import MODELS
from tests.support.traffic.clients import Crowd, infer, texts

LIFE = MODELS / "life.py"
REQUEST = {"what": texts(""), "gate": texts("/-")}


def test_no_file_descriptor_is_left_for_a_new_worker() -> None:
    with run_host(LIFE) as host, Crowd(host, 1) as crowd:
        host.wait_settled()
        first = infer(host, "grpc", "life", REQUEST)["pid"].item()
        soft, hard = resource.prlimit(host.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(host.process.pid, resource.RLIMIT_NOFILE, (3, hard))
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: "no worker can be started: Too many open files" in host.log, what="the log tells it")
        waiting = crowd.send("life", REQUEST)
        resource.prlimit(host.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
        assert waiting.result().error == ""
        wait_until(lambda: host.status("/v2/health/ready") == 200, 5, "ready again")
        assert host.stop() == 0
