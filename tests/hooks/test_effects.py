"""The effect of each hook's answer for an author, an operator or a client: one test named after each hook."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import tritonclient.grpc

from pytriton_plugins.hooks import specs
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.triton.locate import find_tritonserver
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import PLUGINS
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.clients import attempt, infer

PLUGIN = PLUGINS / "effects.py"
MODEL = """
    import os

    import numpy as np
    from pytriton_plugins import Tensor, infer_func


    OUTPUTS = [Tensor("size", np.int64, ()), Tensor("flavor", str, ())]


    @infer_func(inputs=[Tensor("x", np.uint8, (-1,))], outputs=OUTPUTS)
    def added(x):
        if x.shape[1] == 3:
            raise ValueError("three are wrong")
        return {"size": [x.shape[1]] * len(x), "flavor": [os.environ.get("FLAVOR", "none")] * len(x)}
"""
FILE = """
[plugins.effects]
who = "everybody"
"""


@attrs.frozen
class Effects:
    """A host with the plugin, which serves one model added by the plugin."""

    host: RunningHost
    folder: Path
    mark: Mark

    def switch(self, name: str, *, on: bool) -> None:
        (self.folder / name).touch() if on else (self.folder / name).unlink()

    def says(self, text: str, seconds: float = 20) -> None:
        wait_until(lambda: text in self.host.log, seconds, f"the log has {text!r}")

    def ready_is(self, status: int) -> None:
        wait_until(lambda: self.host.status("/v2/health/ready") == status, 20, f"ready is {status}")


Start = Callable[[], AbstractContextManager[Effects]]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Starts such a host with other options."""

    @contextmanager
    def started() -> Iterator[Effects]:
        folder = tmp_path_factory.mktemp("effects")
        hooks = {"pytriton_plugins.hooks": {"effects": "pytriton_effects"}}
        install(folder, "acme-effects", hooks, pytriton_effects=PLUGIN.read_text(), added=MODEL)
        server = find_tritonserver(None, HookManager.installed()).path
        wrapper = folder / "my-tritonserver"
        wrapper.write_text(f'#!/bin/sh\nexec {server} "$@"\n')
        wrapper.chmod(0o755)
        (folder / "host.toml").write_text(FILE)
        mark = Mark()
        env = {"PYTHONPATH": path_with(folder), "EFFECTS": str(folder), "EFFECTS_PORTS": "0,0,0", **mark.env}
        options = ["--plugin=added", f"--config={folder / 'host.toml'}"]
        with run_host(options=options, env=env) as host:
            host.wait_settled()
            yield Effects(host, folder, mark)

    return started


@pytest.fixture(scope="module")
def effects(start: Start) -> Iterator[Effects]:
    """One host for all tests that do not change it."""
    with start() as running:
        yield running


def ask(effects: Effects, size: int = 4, rows: int = 1) -> dict[str, Any]:
    return infer(effects.host, "grpc", "added", {"x": np.zeros((rows, size), np.uint8)})


def test_every_hook_has_its_test() -> None:
    hooks = {name.removeprefix("pytriton_") for name in vars(specs) if name.startswith("pytriton_")}
    missing = {hook for hook in hooks if not callable(globals().get(f"test_{hook}"))}
    assert missing == set()


def command(effects: Effects, *arguments: str) -> str:
    env = {"PYTHONPATH": path_with(effects.folder), "EFFECTS": str(effects.folder), "EFFECTS_PORTS": "0,0,0"}
    config = {"PYTRITON_HOST_CONFIG": str(effects.folder / "host.toml")}
    done = call_host(*arguments, env=env | config)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_add_commands(effects: Effects) -> None:
    assert command(effects, "greet") == "hello everybody\n"
    assert "Greet the name in the settings." in command(effects, "--help")


def test_add_models(effects: Effects) -> None:
    assert ask(effects)["size"].tolist() == [[4]]


def test_choose_server(effects: Effects) -> None:
    effects.says(f"starting {effects.folder / 'my-tritonserver'}, named by effects (acme-effects 1.0)")


def test_choose_ports(effects: Effects) -> None:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
            # Held until the look at them, which has this option too: nothing else gets the port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ports = [sock.getsockname()[1] for sock in sockets]
        env = {"PYTHONPATH": path_with(effects.folder), "EFFECTS": str(effects.folder)}
        chosen = env | {"EFFECTS_PORTS": ",".join(map(str, ports))}
        done = call_host("check", "--plugin=added", env=chosen)
    assert f"HTTP {ports[0]}, gRPC {ports[1]}, metrics {ports[2]} on 127.0.0.1 are free" in done.stdout


def test_edit_server_options(effects: Effects) -> None:
    import urllib.request

    metrics = urllib.request.urlopen(f"http://{effects.host.metrics}/metrics", timeout=60).read().decode()
    assert "nv_inference_count" in metrics
    assert "nv_cpu_utilization" not in metrics


def test_on_host_start(effects: Effects) -> None:
    effects.says(f"starting on 127.0.0.1, HTTP port {effects.host.ports[0]}")


def test_on_host_ready(effects: Effects) -> None:
    effects.says("ready with added")


def test_edit_model_config(effects: Effects) -> None:
    with tritonclient.grpc.InferenceServerClient(effects.host.grpc) as client:
        config = client.get_model_config("added", as_json=True)["config"]
    assert config["name"] == "added"
    assert config["parameters"]["owner"]["string_value"] == "the owner of added"


def test_choose_shm_policy(effects: Effects) -> None:
    effects.says("model added version 1: serving; shared memory 8.0 MiB for 1 worker")


def test_choose_shm_full_action(effects: Effects) -> None:
    big = {"x": np.zeros((1, 48_000_000), np.uint8)}
    assert "the limit of the model is 32.0 MiB" in attempt(effects.host, "grpc", "added", big).error
    effects.switch("grow", on=True)
    assert ask(effects, 48_000_000)["size"].tolist() == [[48_000_000]]
    effects.says("its limit of shared memory is 256.0 MiB now")


def test_edit_worker_env(effects: Effects) -> None:
    """The worker is restarted once its model is known, because the hook's answer depends on the model."""
    assert ask(effects)["flavor"].tolist() == [[b"added for added"]]


def test_on_worker_start(effects: Effects) -> None:
    (worker,) = effects.mark.workers()
    effects.says(f"worker {worker} of added started")


def test_on_worker_ready(effects: Effects) -> None:
    (worker,) = effects.mark.workers()
    effects.says(f"worker {worker} serves added")


def test_on_worker_exit(effects: Effects) -> None:
    """The exit of the plugin's first worker, which the daemon has replaced."""
    effects.says("ended with killed by SIGKILL, expected: True")


def test_check_readiness(effects: Effects) -> None:
    effects.switch("not-ready", on=True)
    effects.ready_is(400)
    effects.says("not ready: effects (acme-effects 1.0): not ready while serving")
    effects.switch("not-ready", on=False)
    effects.ready_is(200)


def test_check_model_readiness(effects: Effects) -> None:
    effects.switch("model-not-ready", on=True)
    effects.ready_is(400)
    effects.says("effects (acme-effects 1.0): model added: 1 workers are too few")
    effects.switch("model-not-ready", on=False)
    effects.ready_is(200)


def test_choose_readiness(effects: Effects) -> None:
    effects.switch("not-ready", on=True)
    effects.ready_is(400)
    effects.switch("ready-all-the-same", on=True)
    effects.ready_is(200)
    effects.switch("not-ready", on=False)
    effects.switch("ready-all-the-same", on=False)


def test_on_worker_setup(effects: Effects) -> None:
    effects.says("set up added for everybody")


def test_on_request(effects: Effects) -> None:
    ask(effects, rows=7)
    effects.says("of added with 7 rows")


def test_on_response(effects: Effects) -> None:
    attempt(effects.host, "grpc", "added", {"x": np.zeros((1, 3), np.uint8)})
    effects.says("INTERNAL ValueError: three are wrong")


def test_choose_restart(start: Start) -> None:
    with start() as effects:
        effects.switch("give-up", on=True)
        (worker,) = effects.mark.workers()
        os.kill(worker, signal.SIGKILL)
        effects.says("model added: killed by SIGKILL is enough")
        error = attempt(effects.host, "grpc", "added", {"x": np.zeros((1, 4), np.uint8)}).error
        assert error == "model added is out of service: killed by SIGKILL is enough"


def test_check_liveness(start: Start) -> None:
    with start() as effects:
        effects.switch("dead", on=True)
        assert effects.host.process.wait(60) == 1
        assert "not alive: effects (acme-effects 1.0): the switch says dead" in effects.host.log


@pytest.fixture(scope="module")
def last_words(start: Start) -> str:
    """The log of a stopped host."""
    with start() as effects:
        assert effects.host.stop() == 0
        return effects.host.log


def test_choose_drain(last_words: str) -> None:
    assert "drain-delay is 0.25 s, as hook plugin effects (acme-effects 1.0) answered" in last_words
    assert "stopping; requests are served for 0.25 s more" in last_words


def test_on_host_drain(last_words: str) -> None:
    assert "draining in state draining" in last_words


def test_on_host_stop(last_words: str) -> None:
    assert "the end, in state stopped" in last_words
