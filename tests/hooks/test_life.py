"""The daemon's whole life as a list of hook calls, which contains every hook."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import attrs
import numpy as np
import pytest

from pytriton_plugins.hooks import specs
from pytriton_plugins.testing import run_host, wait_until
from tests.support.paths import MODELS, PLUGINS
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.clients import attempt, infer

LOOP = [
    "add_models",
    "choose_server",
    "edit_server_options",
    "choose_drain",
    "choose_ports",
    "edit_worker_env",  # the plugin's first worker, then the same for its model
    "edit_worker_env",
    "choose_shm_policy",
    "edit_model_config",
    "choose_shm_full_action",  # 48 MB where 32 MiB are allowed
    "choose_restart",  # the worker was killed
    "edit_worker_env",
]
TOLD = [
    "on_host_start",
    "on_worker_start",
    "on_worker_ready",
    "on_host_ready",
    "on_worker_exit",
    "on_worker_start",
    "on_worker_ready",
    "on_host_drain",
    "on_worker_exit",
    "on_host_stop",
]
HEALTH = ["check_liveness", "check_readiness", "check_model_readiness", "choose_readiness"]
WORKER = ["on_worker_setup", "on_request", "on_response"]
COMMAND_LINE = ["add_commands"]


@attrs.frozen
class Log:
    """The log of every_hook.py."""

    file: Path

    def calls(self, thread: str) -> list[str]:
        lines = [line.split() for line in self.file.read_text().splitlines()]
        return [name for where, name in lines if where.startswith(thread)]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Variables with which the plugin and one model plugin are found."""
    hooks = {"pytriton_plugins.hooks": {"every-hook": "every_hook:plugin"}}
    source = (PLUGINS / "every_hook.py").read_text()
    model = (MODELS / "memory.py").read_text()
    install(tmp_path, "every-hook", hooks, every_hook=source)
    install(
        tmp_path, "acme-memory", {"pytriton_plugins.models": {"acme-memory": "acme_memory:echo"}}, acme_memory=model
    )
    return {"PYTHONPATH": path_with(tmp_path), "EVERY_HOOK": str(tmp_path / "calls")}


def test_every_hook_is_in_one_of_the_lists() -> None:
    listed = {*LOOP, *TOLD, *HEALTH, *WORKER, *COMMAND_LINE}
    assert listed == {name.removeprefix("pytriton_") for name in vars(specs) if name.startswith("pytriton_")}


def test_a_life(environment: dict[str, str]) -> None:
    log, mark = Log(Path(environment["EVERY_HOOK"])), Mark()
    options = ["--plugin=acme-memory", "--shm-max=32MiB"]
    with run_host(options=options, env=environment | mark.env) as host:
        assert infer(host, "grpc", "echo", {"x": np.zeros((1, 4), np.uint8)})["y"].shape == (1, 4)
        refused = attempt(host, "grpc", "echo", {"x": np.zeros((1, 48_000_000), np.uint8)})
        assert "the limit of the model is 32.0 MiB" in refused.error
        wait_until(lambda: "on_host_ready" in log.calls("pytriton-notifier"), 20, "the plugin is told so")
        (worker,) = mark.workers()
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: log.calls("pytriton-notifier").count("on_worker_ready") == 2, 20, "another worker is ready")
        assert host.stop() == 0
    assert [name for name in log.calls("MainThread") if name not in WORKER] == LOOP
    assert list(dict.fromkeys(name for name in log.calls("MainThread") if name in WORKER)) == WORKER
    told = log.calls("pytriton-notifier")
    # On a slow machine the other worker may take so long that the daemon is not ready in between.
    assert [name for place, name in enumerate(told) if name != "on_host_ready" or name not in told[:place]] == TOLD
    assert list(dict.fromkeys(log.calls("pytriton-health"))) == HEALTH


def test_a_command_line(environment: dict[str, str]) -> None:
    done = call_host("--help", env=environment)
    assert done.returncode == 0, done.stderr
    assert Log(Path(environment["EVERY_HOOK"])).calls("MainThread") == COMMAND_LINE
