"""Calls models of any Triton from Python: numpy in, numpy out; synchronous and asynchronous, over gRPC and HTTP.

Runs in any program. The libraries of a protocol are loaded when the first client with such a URL is made.
"""

from __future__ import annotations

from pytriton_plugins.client.async_client import AsyncClient, AsyncModel
from pytriton_plugins.client.client import Client, Model
from pytriton_plugins.client.description import ModelInfo, TensorInfo
from pytriton_plugins.client.errors import (
    ClientClosed,
    ClientError,
    DeadlineExceeded,
    InvalidInput,
    InvalidUrl,
    ModelFailed,
    ModelNotFound,
    NotFound,
    RequestCancelled,
    Unavailable,
    Unsupported,
    WrongServer,
)
from pytriton_plugins.client.request import Result

__all__ = [
    "AsyncClient",
    "AsyncModel",
    "Client",
    "ClientClosed",
    "ClientError",
    "DeadlineExceeded",
    "InvalidInput",
    "InvalidUrl",
    "Model",
    "ModelFailed",
    "ModelInfo",
    "ModelNotFound",
    "NotFound",
    "RequestCancelled",
    "Result",
    "TensorInfo",
    "Unavailable",
    "Unsupported",
    "WrongServer",
]
