"""An ordinary tritonserver: its own configuration files, a backend that is not ours, and an ensemble."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from pytriton_plugins.client import (
    AsyncClient,
    Client,
    InvalidInput,
    ModelInfo,
    ModelNotFound,
    TensorInfo,
    Unavailable,
)
from pytriton_plugins.testing.ports import held_ports
from tests.client.conftest import PROTOCOLS
from tests.support.backend.server import found_server

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "support" / "backend" / "foreign.c"

BATCHED = """
backend: "foreign"
max_batch_size: 4
input [{ name: "images:0" data_type: TYPE_UINT8 dims: [ -1, 2 ] }, { name: "label" data_type: TYPE_STRING dims: [ 1 ] }]
output [{ name: "same" data_type: TYPE_UINT8 dims: [ -1, 2 ] }, { name: "text" data_type: TYPE_STRING dims: [ 1 ] }]
dynamic_batching { max_queue_delay_microseconds: 1000 }
"""
PLAIN = """
backend: "foreign"
max_batch_size: 0
input [{ name: "x" data_type: TYPE_BF16 dims: [ 3 ] }]
output [{ name: "y" data_type: TYPE_BF16 dims: [ 3 ] }]
"""
ENSEMBLE = """
platform: "ensemble"
max_batch_size: 0
input [{ name: "first" data_type: TYPE_BF16 dims: [ 3 ] }]
output [{ name: "last" data_type: TYPE_BF16 dims: [ 3 ] }]
ensemble_scheduling { step [
  { model_name: "plain" model_version: -1
    input_map { key: "x" value: "first" } output_map { key: "y" value: "middle" } },
  { model_name: "plain" model_version: -1
    input_map { key: "x" value: "middle" } output_map { key: "y" value: "last" } }
]}
"""
MODELS = {"batched": (BATCHED, (1, 7)), "plain": (PLAIN, (1,)), "pipeline": (ENSEMBLE, (1,))}


def compiled(folder: Path) -> Path:
    """The folder with the backend."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = folder / "foreign" / "libtriton_foreign.so"
    library.parent.mkdir(parents=True)
    headers = f"-I{ROOT / 'pytriton_plugins' / 'backend'}"
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", headers, "-o", library, SOURCE], check=True)
    return folder


def repository(folder: Path) -> Path:
    """The folder with the models."""
    for name, (config, versions) in MODELS.items():
        for version in versions:
            (folder / name / str(version)).mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(f'name: "{name}"\n{config}')
    return folder


@contextlib.contextmanager
def run_server(folder: Path) -> Iterator[dict[str, str]]:
    """The addresses of a tritonserver, by protocol."""
    with held_ports() as ports, (folder / "log").open("wb") as log:
        http, grpc, metrics = ports
        options = [f"--http-port={http}", f"--grpc-port={grpc}", f"--metrics-port={metrics}"]
        options += [f"--{each}-address=127.0.0.1" for each in ("http", "grpc", "metrics")]
        options += [f"--backend-directory={compiled(folder / 'backends')}"]
        options += [f"--model-repository={repository(folder / 'models')}", "--allow-vertex-ai=false"]
        server = subprocess.Popen([found_server().path, *options], stdout=log, stderr=log)
        try:
            yield {"http": f"http://127.0.0.1:{http}", "grpc": f"grpc://127.0.0.1:{grpc}"}
        finally:
            server.kill()
            server.wait(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with run_server(tmp_path_factory.mktemp("foreign")) as urls:
        yield urls


@pytest.fixture(params=PROTOCOLS)
def url(request: pytest.FixtureRequest, server: dict[str, str]) -> str:
    return server[request.param]


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, timeout=60) as made:
        made.wait()
        yield made


def test_a_batched_model_with_a_name_that_is_no_keyword(client: Client) -> None:
    images = np.arange(12, dtype=np.uint8).reshape(2, 3, 2)
    result = client["batched"]({"images:0": images}, label=[["é"], [b"\0"]], id="mine")
    assert result["same"].tolist() == images.tolist()
    assert result["text"].tolist() == [["é".encode()], [b"\0"]]
    assert (result.model, result.version, result.id) == ("batched", "7", "mine")


def test_the_description(client: Client) -> None:
    inputs = (TensorInfo("images:0", "UINT8", (-1, 2)), TensorInfo("label", "BYTES", (1,)))
    outputs = (TensorInfo("same", "UINT8", (-1, 2)), TensorInfo("text", "BYTES", (1,)))
    assert client["batched"].describe() == ModelInfo("batched", inputs, outputs, 4)


@pytest.mark.parametrize("name", ["plain", "pipeline"])
def test_a_model_without_batches_and_an_ensemble(client: Client, name: str) -> None:
    info = client[name].describe()
    result = client[name]({info.inputs[0].name: [1.5, -2, 0]})
    output = result[info.outputs[0].name]
    assert (output.dtype, output.tolist()) == (ml_dtypes.bfloat16, [1.5, -2, 0])


def test_requests_at_once(url: str) -> None:
    async def main() -> None:
        async with AsyncClient(url) as client:
            await client["plain"].wait()
            results = await asyncio.gather(*(client["plain"](x=[number, 0, 0]) for number in range(200)))
            assert [int(result["y"][0]) for result in results] == [*range(200)]

    asyncio.run(main())


def test_errors(client: Client) -> None:
    with pytest.raises(InvalidInput, match=r"^model batched: input label: invalid shape \[1\]: expected \[-1, 1\]; "):
        client["batched"]({"images:0": np.zeros((1, 1, 2), np.uint8)}, label=["a"])
    with pytest.raises(Unavailable, match=r"^model plain: the device is gone$"):
        client["plain"](x=[1, 2, 3], id="broken")
    with pytest.raises(ModelNotFound):
        client["batched", 1]({}, label=["a"])
    assert not client["batched", 1].is_ready()
    assert client["batched", 7].is_ready()
