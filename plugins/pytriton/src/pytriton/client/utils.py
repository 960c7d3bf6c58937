"""Functions for scripts that hold a client of ``tritonclient`` themselves, over HTTP or gRPC."""

from __future__ import annotations

import enum
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from pytriton.client.base import INIT_TIMEOUT
from pytriton.client.exceptions import PyTritonClientTimeoutError
from pytriton.client.urls import DEFAULT_GRPC_PORT, DEFAULT_HTTP_PORT, TritonUrl
from pytriton.model_config.triton_model_config import TritonModelConfig

__all__ = [
    "DEFAULT_GRPC_PORT",
    "DEFAULT_HTTP_PORT",
    "LATEST_MODEL_VERSION",
    "ModelState",
    "TritonUrl",
    "create_client_from_url",
    "get_model_config",
    "get_model_state",
    "wait_for_model_ready",
    "wait_for_server_ready",
]

LATEST_MODEL_VERSION = "<latest>"
