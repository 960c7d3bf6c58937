"""PyTriton's clients, over `pytriton_plugins.client`; runs in any program."""

from __future__ import annotations

from pytriton.client.asynchronous import AsyncioDecoupledModelClient, AsyncioModelClient
from pytriton.client.futures import FuturesModelClient
from pytriton.client.synchronous import DecoupledModelClient, ModelClient

__all__ = [
    "AsyncioDecoupledModelClient",
    "AsyncioModelClient",
    "DecoupledModelClient",
    "FuturesModelClient",
    "ModelClient",
]
