"""Functions for scripts that hold a client of ``tritonclient`` themselves, over HTTP or gRPC."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Mapping
from typing import Any

from pytriton.client.base import INFERENCE_TIMEOUT, INIT_TIMEOUT
from pytriton.client.description import config_of
from pytriton.client.exceptions import PyTritonClientTimeoutError
from pytriton.client.urls import DEFAULT_GRPC_PORT, DEFAULT_HTTP_PORT, TritonUrl
from pytriton.model_config.triton_model_config import TritonModelConfig
from pytriton_plugins.client import ModelInfo, TensorInfo

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
_POLL_INTERVAL = 0.1


class ModelState(enum.Enum):
    """What a server says about a model; here it is READY or UNAVAILABLE."""

    LOADING = "LOADING"
    UNLOADING = "UNLOADING"
    UNAVAILABLE = "UNAVAILABLE"
    READY = "READY"


def create_client_from_url(url: str, network_timeout_s: float | None = None) -> Any:
    """The ``InferenceServerClient`` of ``tritonclient`` for the URL's protocol.

    ``network_timeout_s``: for each call over HTTP, 60 seconds without one. Raises PyTritonClientInvalidUrlError.
    """
    address = TritonUrl.from_url(url)
    secure = address.scheme.endswith("s")
    if address.is_grpc:
        from tritonclient import grpc

        return grpc.InferenceServerClient(address.without_scheme, ssl=secure)
    from tritonclient import http

    timeout = INFERENCE_TIMEOUT if network_timeout_s is None else network_timeout_s
    limits = {"connection_timeout": timeout, "network_timeout": timeout}
    return http.InferenceServerClient(address.without_scheme, ssl=secure, **limits)


def wait_for_server_ready(
    client: Any, timeout_s: float | None = None, headers: Mapping[str, str] | None = None
) -> None:
    """Wait until the server is ready; raises PyTritonClientTimeoutError after so many seconds, 60 without a number."""
    _wait(lambda: client.is_server_ready(headers=headers), "server", timeout_s, INFERENCE_TIMEOUT)


def wait_for_model_ready(
    client: Any,
    model_name: str,
    model_version: str | None = None,
    timeout_s: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Wait until the model is ready; raises PyTritonClientTimeoutError after so many seconds, 300 without a number."""
    ready = _question(client, model_name, model_version, headers)
    _wait(ready, f"model {model_name}", timeout_s, INIT_TIMEOUT)


def get_model_state(
    client: Any, model_name: str, model_version: str | None = None, headers: Mapping[str, str] | None = None
) -> ModelState:
    """READY or UNAVAILABLE. Servers show LOADING only to those who may load models; raises what the client raises."""
    return ModelState.READY if _question(client, model_name, model_version, headers)() else ModelState.UNAVAILABLE


def get_model_config(
    client: Any,
    model_name: str,
    model_version: str | None = None,
    timeout_s: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> TritonModelConfig:
    """What the server says about the model, when it is ready; raises PyTritonClientTimeoutError as the wait does."""
    wait_for_model_ready(client, model_name, model_version, timeout_s, headers)
    answer = client.get_model_config(model_name, model_version or "", headers=headers)
    return config_of(_info(_as_dict(answer)), model_version or "")


def _question(client: Any, name: str, version: str | None, headers: Mapping[str, str] | None) -> Callable[[], bool]:
    return lambda: bool(client.is_model_ready(name, version or "", headers=headers))


def _wait(ready: Callable[[], object], what: str, timeout: float | None, default: float) -> None:
    seconds = default if timeout is None else timeout
    deadline = time.monotonic() + seconds
    while not _answers(ready):
        if time.monotonic() >= deadline:
            raise PyTritonClientTimeoutError(f"{what}: not ready after {seconds:g} s; check that it is loaded")
        time.sleep(_POLL_INTERVAL)


def _answers(ready: Callable[[], object]) -> bool:
    from tritonclient.utils import InferenceServerException

    try:
        return bool(ready())
    except (InferenceServerException, OSError):  # the server is not there yet
        return False


def _as_dict(answer: Any) -> dict[str, Any]:
    """The configuration as JSON has it, from either protocol."""
    if isinstance(answer, dict):
        return answer
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(answer.config, preserving_proto_field_name=True)  # type: ignore[no-any-return]


def _info(config: dict[str, Any]) -> ModelInfo:
    inputs, outputs = (tuple(_tensor(item) for item in config.get(side, ())) for side in ("input", "output"))
    streams = bool(config.get("model_transaction_policy", {}).get("decoupled"))
    return ModelInfo(config["name"], inputs, outputs, int(config.get("max_batch_size", 0)), streams)


def _tensor(item: dict[str, Any]) -> TensorInfo:
    datatype = item["data_type"].removeprefix("TYPE_")
    shape = tuple(int(dim) for dim in item.get("dims", ()))
    name = "BYTES" if datatype == "STRING" else datatype
    return TensorInfo(item["name"], name, shape, bool(item.get("optional")))
