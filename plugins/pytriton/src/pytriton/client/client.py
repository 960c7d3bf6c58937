"""The names that scripts import from ``pytriton.client.client``."""

from __future__ import annotations

from pytriton.client.asynchronous import AsyncioDecoupledModelClient, AsyncioModelClient
from pytriton.client.base import BaseModelClient
from pytriton.client.futures import FuturesModelClient
from pytriton.client.synchronous import DecoupledModelClient, ModelClient

__all__ = [
    "AsyncioDecoupledModelClient",
    "AsyncioModelClient",
    "BaseModelClient",
    "DecoupledModelClient",
    "FuturesModelClient",
    "ModelClient",
]
