"""Models in loopback mode: `python -m benchmarks.floor_host HTTP GRPC METRICS TRITONSERVER FOLDER DATATYPE:NAME…`.

`benchmarks.servers.floor` starts it; it ends with its tritonserver or with SIGTERM.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np

from pytriton_plugins.host.triton.locate import FoundServer
from pytriton_plugins.host.triton.options import ServerSettings
from pytriton_plugins.host.triton.repository import add_model, model_config
from pytriton_plugins.host.triton.server import TritonServer
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.wire import LinkMessage
from pytriton_plugins.values import Ports

SCHEDULING = {"dynamic_batching": {}, "instance_group": [{"count": 1, "kind": "KIND_CPU"}]}
"""As the peers have it; our own models are batched by our backend instead."""


def loopback(data_type: str, name: str) -> ModelDeclaration:
    """y = x, with the tensors that the peers' models have."""
    dtype = {"FP32": np.float32, "BYTES": bytes}[data_type]
    x, y = Tensor("x", dtype, (-1,)), Tensor("y", dtype, (-1,))
    return ModelDeclaration(name, 1, "function", "loopback", (x,), (y,), triton_config=SCHEDULING)


class Unheard:
    """What the backend reports, which loopback mode does without."""

    def on_backend_need(self, message: LinkMessage) -> None: ...

    def on_channel_lost(self, message: LinkMessage) -> None: ...

    def on_model_gone(self, message: LinkMessage) -> None: ...


async def serve(models: list[ModelDeclaration], ports: Ports, tritonserver: Path, folder: Path) -> None:
    """Open the gate once every model is loaded, then wait for the server's end."""
    settings = ServerSettings(allow=("shared-memory",))
    found = FoundServer(tritonserver, "the benchmark")
    server = await TritonServer.start(found, settings, ports, folder, Unheard())
    for number, model in enumerate(models, 1):
        await server.declare(number, pack_declaration(model, wait=1.0, largest_response=1 << 31, loopback=True))
        add_model(folder / "repository", model)
        await server.load(model.name, model_config(model, number, (1,)), 30.0)
    await server.set_gate(True)
    await server.child.wait()


if __name__ == "__main__":
    http, grpc, metrics, binary, place, *wanted = sys.argv[1:]
    models = [loopback(*each.split(":")) for each in wanted]
    asyncio.run(serve(models, Ports(int(http), int(grpc), int(metrics)), Path(binary), Path(place)))
