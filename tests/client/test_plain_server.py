"""A tritonserver without our daemon: a model in the backend's loopback mode, which Triton itself answers for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from pytriton_plugins.client import AsyncClient, Client, DeadlineExceeded, Unavailable
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import BYTES, NUMERIC, Tensor
from pytriton_plugins.shm.declaration import pack_declaration
from tests.client.conftest import PROTOCOLS
from tests.support.backend.server import Backend, run_backend

DTYPES = (*NUMERIC, BYTES)
MODEL = ModelDeclaration(
    "identity",
    1,
    "function",
    "identity",
    tuple(Tensor(f"in_{dtype.triton}", dtype, (-1, 2)) for dtype in DTYPES),
    tuple(Tensor(f"out_{dtype.triton}", dtype, (-1, 2)) for dtype in DTYPES),
    max_batch_size=0,
)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with run_backend(tmp_path_factory.mktemp("plain")) as running:
        declaration = pack_declaration(MODEL, wait=1.0, largest_response=1 << 20, loopback=True)
        running.serve(1, MODEL, declaration)
        yield running


@pytest.fixture(params=PROTOCOLS)
def url(request: pytest.FixtureRequest, backend: Backend) -> str:
    return f"{request.param}://{getattr(backend, request.param)}"


def inputs() -> dict[str, object]:
    ones: dict[str, object] = {f"in_{dtype.triton}": np.ones((1, 2), dtype.numpy) for dtype in NUMERIC}
    return {**ones, "in_BYTES": [["a", b"\0"]]}


def test_every_dtype(url: str) -> None:
    with Client(url) as client:
        result = client["identity"](inputs())
    assert len(result) == len(DTYPES)
    for dtype in NUMERIC:
        output = result[f"out_{dtype.triton}"]
        assert (output.dtype, output.tolist()) == (dtype.numpy, [[1, 1]])
    assert result["out_BYTES"].tolist() == [[b"a", b"\0"]]


def test_asynchronous(url: str) -> None:
    async def main() -> None:
        async with AsyncClient(url) as client:
            assert len(await client["identity"](inputs())) == len(DTYPES)

    asyncio.run(main())


def test_a_server_that_is_not_ready_and_a_model_that_is(url: str) -> None:
    with Client(url) as client:
        assert not client.is_ready()
        assert client["identity"].is_ready()
        with pytest.raises(DeadlineExceeded) as raised:
            client.wait(0.3)
    assert str(raised.value).startswith(f"{url}: not ready after 0.3 s: ")


def test_a_model_that_is_not_ready_any_more(url: str, backend: Backend) -> None:
    """It was unloaded after the client has asked for its description."""
    with Client(url) as client:
        client["identity"](inputs())
        backend.call(backend.server.control.unload("identity"))
        try:
            with pytest.raises(Unavailable, match=r"^model identity: .* has no available versions; load it, or "):
                client["identity"](inputs())
            assert not client["identity"].is_ready()
        finally:
            backend.serve(1, MODEL, pack_declaration(MODEL, wait=1.0, largest_response=1 << 20, loopback=True))
        assert client["identity"](inputs())["out_INT8"].tolist() == [[1, 1]]
