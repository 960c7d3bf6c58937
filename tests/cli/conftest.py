"""A KServe v2 server over real gRPC to test `infer` without a tritonserver, and a way to call the program."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import grpc
import pytest
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from pytriton_plugins.cli.app import run

Called = Callable[..., "Ran"]


@attrs.frozen
class Ran:
    """The result of one call of `pytriton-host`."""

    code: int
    out: str
    err: str


@pytest.fixture
def called(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Called:
    """Calls `pytriton-host` with arguments, in an empty folder and without our variables."""
    for name in [name for name in os.environ if name.startswith("PYTRITON_HOST_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Ran:
        code = run(arguments)
        return Ran(code, *capfd.readouterr())

    return call


class Echo(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Answers with its inputs as outputs of the same names; ``evil`` is its text for an unknown model."""

    inputs = (("numbers", "FP32", [-1]), ("grid", "UINT8", [2, 3]), ("text", "BYTES", [1]), ("maybe", "INT64", [1]))

    def __init__(self, asked: int = 0) -> None:
        """Ready from the ``asked``-th readiness request on."""
        self.left = asked

    def ServerLive(self, request: Any, context: Any) -> Any:
        return service_pb2.ServerLiveResponse(live=True)

    def ServerReady(self, request: Any, context: Any) -> Any:
        self.left -= 1
        return service_pb2.ServerReadyResponse(ready=self.left <= 0)

    def ModelMetadata(self, request: Any, context: Any) -> Any:
        if request.name not in ("echo", "flat"):
            context.abort(grpc.StatusCode.NOT_FOUND, f"unknown model \x1b[31m'{request.name}'\nis not found")
        batch = [-1] if request.name == "echo" else []
        tensors = [{"name": name, "datatype": kind, "shape": batch + shape} for name, kind, shape in self.inputs]
        return service_pb2.ModelMetadataResponse(name=request.name, versions=["1"], inputs=tensors, outputs=tensors)

    def ModelConfig(self, request: Any, context: Any) -> Any:
        inputs = [model_config_pb2.ModelInput(name=name, optional=name != "text") for name, _, _ in self.inputs]
        size = 8 if request.name == "echo" else 0
        return service_pb2.ModelConfigResponse(config={"name": request.name, "max_batch_size": size, "input": inputs})

    def ModelInfer(self, request: Any, context: Any) -> Any:
        outputs = [{"name": item.name, "datatype": item.datatype, "shape": item.shape} for item in request.inputs]
        return service_pb2.ModelInferResponse(
            model_name=request.model_name,
            model_version="1",
            outputs=outputs,
            raw_output_contents=request.raw_input_contents,
        )


@contextlib.contextmanager
def served(echo: Echo) -> Iterator[str]:
    """The address of the server."""
    server = grpc.server(ThreadPoolExecutor(2))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(echo, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0).wait()


@pytest.fixture(scope="module")
def echo_url() -> Iterator[str]:
    """The address of a running Echo."""
    with served(Echo()) as url:
        yield url
