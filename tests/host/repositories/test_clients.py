"""Clients of Triton's own API load and unload models of repositories, where that is allowed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import tritonclient.grpc

from pytriton_plugins.host.control.client import find_host
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.models.repositories import ensemble, install_model, write
from tests.support.sandbox.fake_distributions import path_with
from tests.support.traffic.clients import infer


def reason(host: RunningHost, model: str) -> str:
    with contextlib.closing(find_host(None, host.process.pid)) as connection:
        models = connection.ask({"command": "status"}, 60)["models"]
    return next(str(each["reason"]) for each in models if each["model"] == model)


def test_the_daemon_follows_a_client(tmp_path: Path) -> None:
    install_model(tmp_path / "site", "plus", "x + 1")
    write(tmp_path / "models", "both", ensemble("plus", "plus"))
    options = ["--plugin=plus", f"--model-repository={tmp_path / 'models'}", "--allow=model-repository"]
    with (
        run_host(options=options, env={"PYTHONPATH": path_with(tmp_path / "site")}) as host,
        tritonclient.grpc.InferenceServerClient(host.grpc) as client,
    ):
        client.unload_model("both")
        wait_until(lambda: reason(host, "both") == "it was unloaded by a client of Triton's API", 30)
        write(tmp_path / "models", "both", ensemble("plus"), ("1", "2"))  # what nobody has checked
        client.load_model("both")
        wait_until(lambda: reason(host, "both") == "", 30)
        assert infer(host, "grpc", "both", {"x": np.array([[1]], np.float32)})["y"].tolist() == [[3]]
