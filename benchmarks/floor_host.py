"""Serves one model in loopback mode: `python -m benchmarks.floor_host NAME HTTP GRPC METRICS TRITONSERVER FOLDER`.

A process of its own, started by `benchmarks.servers.floor`; it ends with its tritonserver or with SIGTERM.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np

from pytriton_plugins.config import HostConfig
from pytriton_plugins.host.locate import FoundServer
from pytriton_plugins.host.repository import add_model, model_config
from pytriton_plugins.host.triton import TritonServer
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.shm.wire import pack_declaration
from pytriton_plugins.tensors import Tensor
from pytriton_plugins.values import Ports

SCHEDULING = {"dynamic_batching": {}, "instance_group": [{"count": 1, "kind": "KIND_CPU"}]}
"""As the peers are configured; our own models are batched by our backend instead."""


async def serve(name: str, ports: Ports, tritonserver: Path, folder: Path) -> None:
    """Open the gate once the model is loaded, then wait for the server's end."""
    x, y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
    model = ModelDeclaration(name, 1, "function", "loopback", (x,), (y,), triton_config=SCHEDULING)
    config = HostConfig(allow=("shared-memory",))
    found = FoundServer(tritonserver, "the benchmark")
    server = await TritonServer.start(found, config, ports, folder, lambda _: None, lambda _: None)
    await server.declare(1, pack_declaration(model, wait=1.0, largest_response=1 << 31, loopback=True))
    add_model(folder / "repository", model)
    await server.load(name, model_config(model, 1, (1,)), 30.0)
    await server.set_gate(True)
    await server.child.wait()


if __name__ == "__main__":
    name, http, grpc, metrics, binary, place = sys.argv[1:]
    asyncio.run(serve(name, Ports(int(http), int(grpc), int(metrics)), Path(binary), Path(place)))
