"""Triton's front ends for clouds: SageMaker's serves, and one that cannot start ends the daemon in one line."""

from __future__ import annotations

import json
import os
import socket
import urllib.request
from pathlib import Path

import pytest

from pytriton_plugins.host.system.network import front_end_ports
from pytriton_plugins.host.triton.output import front_end_failure
from pytriton_plugins.testing import run_host
from pytriton_plugins.testing.ports import held_ports
from tests.support.paths import MODELS
from tests.support.sandbox.command import call_host

SCALARS = f"{MODELS / 'kinds.py'}:scalars"
TIMEOUT = 60
FREE = ("--http-port=0", "--grpc-port=0", "--metrics-port=0")
MODEL = """
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def twice(x):
    return x * 2
"""


def test_the_front_end_of_sagemaker_serves(tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text(MODEL)
    env = {"SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": "twice"}
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [2]}]}
    with held_ports(1) as (port,):
        options = ["--server-option=allow-sagemaker=true", f"--server-option=sagemaker-port={port}"]
        with run_host(tmp_path / "twice.py", options=options, env=env) as host:
            url = f"http://127.0.0.1:{port}"
            assert urllib.request.urlopen(f"{url}/ping", timeout=TIMEOUT).status == 200
            asked = urllib.request.Request(f"{url}/invocations", json.dumps(body).encode())
            answer = json.load(urllib.request.urlopen(asked, timeout=TIMEOUT))
            assert "ignores every closed category" in host.log
    assert answer["outputs"][0]["data"] == [4.0]


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_port_of_sagemaker_that_is_in_use(address: str) -> None:
    """It listens on every interface, so a port of one of them is in use too."""
    with socket.create_server((address, 0)) as other:
        port = other.getsockname()[1]
        options = ("--server-option=allow-sagemaker=on", f"--server-option=sagemaker-port={port}")
        served = call_host("serve", SCALARS, *FREE, *options)
    (line,) = [line for line in served.stderr.splitlines() if line.startswith("pytriton-host: ")]
    comm = Path("/proc/self/comm").read_text().strip()
    assert line == (
        f"pytriton-host: sagemaker port {port} on 0.0.0.0 is in use by {comm} (process {os.getpid()}); "
        "stop that program or choose another with --server-option sagemaker-port"
    )
    assert served.returncode == 1


def test_the_front_end_of_vertex_ai_is_refused_in_one_line() -> None:
    served = call_host("serve", SCALARS, *FREE, "--server-option=allow-vertex-ai=true")
    assert served.stderr == (
        "pytriton-host: --server-option allow-vertex-ai=true: tritonserver needs a loaded model before it starts this "
        "front end, and pytriton-host loads models after that; leave the option out, and give Vertex AI the routes "
        "/v2/models/NAME/infer and /v2/health/ready\n"
    )
    assert served.returncode == 2


@pytest.mark.parametrize(
    ("options", "ports"),
    [
        ((), {}),
        ((("sagemaker-port", "9000"),), {}),
        ((("allow-sagemaker", "false"),), {}),
        ((("allow-sagemaker", "true"),), {"sagemaker": 8080}),
        ((("allow-sagemaker", "1"), ("sagemaker-port", "9000"), ("sagemaker-port", "9001")), {"sagemaker": 9001}),
        ((("allow-sagemaker", "true"), ("sagemaker-port", "many")), {}),
        ((("allow-sagemaker", "true"), ("sagemaker-port", "70000")), {}),
    ],
)
def test_the_ports_of_front_ends(options: tuple[tuple[str, str], ...], ports: dict[str, int]) -> None:
    assert front_end_ports(options) == ports


def test_the_line_about_a_front_end_that_did_not_start() -> None:
    """It is found among the lines of the crash that follows."""
    line = (
        'E1130 15:51:44.039102 1906 main.cc:282] "failed to start Vertex AI service: Invalid argument - '
        'API_PREDICT_ROUTE is not defined for Vertex AI endpoint"'
    )
    assert front_end_failure(["Signal (11) received.", line, " 0# 0x000055BAC142DBC9"]) == (
        "failed to start Vertex AI service: Invalid argument - API_PREDICT_ROUTE is not defined for Vertex AI endpoint"
    )
    assert front_end_failure(["Signal (11) received."]) == ""
