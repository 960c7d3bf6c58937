"""With `--allow model-repository` clients load and unload models, and the daemon follows Triton's state."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.command import call_host
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.clients import PROTOCOLS, Arrays, Crowd, Gate, attempt, infer, texts

X: Arrays = {"x": np.array([[1]])}
BY_CLIENT = "it was unloaded by a client of Triton's API"
PLUS = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

def made(version, more):
    @infer_func(name="plus", version=version, inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())])
    def plus(x):
        return x + more
    return plus

one = made(1, 1)
two = made(2, {more})
"""


class Site:
    """A host with two versions of one model and one version of another, whose models clients may load."""

    def __init__(self, host: RunningHost, folder: Path, mark: Mark) -> None:
        self.host = host
        self.mark = mark
        self.run_dir = folder / "run"
        self.file = folder / "plus.py"

    def call(self, *arguments: str) -> Any:
        return call_host(*arguments, f"--run-dir={self.run_dir}")

    def model(self, name: str, version: int = 1) -> dict[str, Any]:
        models = json.loads(self.call("status", "--json").stdout)["models"]
        return next(model for model in models if (model["model"], model["version"]) == (name, version))

    def reasons(self) -> list[str]:
        return [self.model("plus", version)["reason"] for version in (1, 2)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, mark = tmp_path_factory.mktemp("site"), Mark()
    (folder / "plus.py").write_text(PLUS.format(more=2))
    options = ["--allow=model-repository", f"--run-dir={folder / 'run'}"]
    with run_host(folder / "plus.py", MODELS / "life.py", options=options, env=mark.env, drain_timeout=None) as host:
        yield Site(host, folder, mark)


def client(site: Site, protocol: str) -> Any:
    if protocol == "grpc":
        return tritonclient.grpc.InferenceServerClient(site.host.grpc)
    return tritonclient.http.InferenceServerClient(site.host.http)


def answers(site: Site) -> list[int]:
    return [infer(site.host, "grpc", "plus", X, version=version)["y"].item() for version in ("1", "2")]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_unload_and_a_load(site: Site, protocol: str) -> None:
    assert answers(site) == [2, 3]
    with client(site, protocol) as triton:
        triton.unload_model("plus")
        wait_until(lambda: site.reasons() == [BY_CLIENT] * 2, 10, "the daemon has noticed")
        wait_until(lambda: len(site.mark.workers()) == 1, 10, "its workers end")
        assert site.model("plus")["unloaded"]
        assert site.call("health", "ready").returncode == 0
        assert site.call("models", "unload", "plus").stderr.endswith("version 1 is unloaded already\n")
        triton.load_model("plus")
        wait_until(lambda: site.reasons() == ["", ""], 30, "it serves again")
    assert answers(site) == [2, 3]
    wait_until(lambda: site.host.status("/v2/health/ready") == 200, what="it is ready")


def test_the_operators_own_commands_go_on(site: Site) -> None:
    """The operator loads what a client unloaded and the reverse, with the current code of the plugin."""
    with client(site, "grpc") as triton:
        triton.unload_model("plus")
        wait_until(lambda: site.reasons() == [BY_CLIENT] * 2, 10, "the daemon has noticed")
        assert site.call("models", "load", "plus").returncode == 0
        assert answers(site) == [2, 3]
        assert site.call("models", "unload", "plus").returncode == 0
        site.file.write_text(PLUS.format(more=10))
        triton.load_model("plus")
        wait_until(lambda: site.reasons() == ["", ""], 30, "it serves again")
        assert answers(site) == [2, 11]
        assert site.call("models", "reload", "plus").returncode == 0


def test_a_load_that_fails(site: Site) -> None:
    """Triton does not keep a model that has no worker."""
    assert site.call("models", "unload", "plus").returncode == 0
    site.file.write_text("raise OSError('the disk is gone')\n")
    with client(site, "grpc") as triton:
        triton.load_model("plus")
        wait_until(lambda: "OSError: the disk is gone" in site.reasons()[0], 30, "the reason is shown")
        wait_until(lambda: not triton.is_model_ready("plus"), 30, "Triton has unloaded it")
    why = site.reasons()[0]
    assert why.startswith("a client of Triton's API loaded it, which failed: plugin ")
    wait_until(lambda: "model command failed: plugin " in site.host.log, what="the log says why")
    assert site.host.log.count("model command failed: plugin ") == 1
    site.file.write_text(PLUS.format(more=2))
    assert site.call("models", "load", "plus").returncode == 0
    assert answers(site) == [2, 3]


def test_running_calls_may_finish(site: Site, tmp_path: Path) -> None:
    """A running call ends first; Triton unloads the model only then."""
    gate = Gate(tmp_path / "gate")
    with Crowd(site.host, 2) as crowd, client(site, "grpc") as triton:
        held = crowd.send("life", {"what": texts("wait"), "gate": gate.tensor})
        wait_until(gate.is_reached, 30, "the callable runs")
        unloading = crowd.send("plus", X)  # any other model goes on meanwhile
        triton.unload_model("life")
        wait_until(lambda: site.model("life")["reason"] == BY_CLIENT, 30, "the daemon has noticed")
        assert unloading.result(30).error == ""
        gate.open()
        assert held.result(30).error == ""
        wait_until(lambda: not any("life.py" in line for line in site.mark.workers().values()), 30, "its worker ends")
        triton.load_model("life")
        wait_until(lambda: attempt(site.host, "grpc", "life", {"what": texts(""), "gate": texts("")}).error == "", 30)


def test_a_gate_that_a_client_has_loaded_does_not_hold_ready(site: Site, tmp_path: Path) -> None:
    """This test comes last, because the daemon stops."""
    gate = Gate(tmp_path / "gate")
    with Crowd(site.host, 1) as crowd, client(site, "grpc") as triton:
        for name in ("pytriton_gate", "pytriton_gate_2"):
            triton.load_model(name)
        held = crowd.send("life", {"what": texts("wait"), "gate": gate.tensor})
        wait_until(gate.is_reached, 30, "the callable runs")
        site.host.process.send_signal(signal.SIGTERM)
        wait_until(lambda: site.host.status("/v2/health/ready") == 400, 10, "it is not ready")
        gate.open()
        assert held.result(30).error == ""
        assert site.host.process.wait(30) == 0
