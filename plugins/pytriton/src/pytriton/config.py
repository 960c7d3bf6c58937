"""`TritonConfig` and the other settings of `Triton`; scripts import them from ``pytriton.triton``."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pytriton.exceptions import PyTritonValidationError

_LOG = logging.getLogger("pytriton.triton")

VARIABLES = "PYTRITON_TRITON_CONFIG_"
"""The beginning of the environment variables, one for each field."""

_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class TritonConfig:
    """Settings of the server, None for the default; each has a variable too, ``PYTRITON_TRITON_CONFIG_HTTP_PORT``.

    A field overrides its variable. docs/how-to/move-from-pytriton.md lists what each field does.
    """

    model_repository: Path | None = None
    id: str | None = None
    log_verbose: int | None = None
    log_file: Path | None = None
    exit_timeout_secs: int | None = None
    exit_on_error: bool | None = None
    strict_readiness: bool | None = None
    allow_http: bool | None = None
    http_address: str | None = None
    http_port: int | None = None
    http_header_forward_pattern: str | None = None
    http_thread_count: int | None = None
    http_restricted_api: str | None = None
    allow_grpc: bool | None = None
    grpc_address: str | None = None
    grpc_port: int | None = None
    grpc_header_forward_pattern: str | None = None
    grpc_infer_allocation_pool_size: int | None = None
    grpc_use_ssl: bool | None = None
    grpc_use_ssl_mutual: bool | None = None
    grpc_server_cert: Path | None = None
    grpc_server_key: Path | None = None
    grpc_root_cert: Path | None = None
    grpc_infer_response_compression_level: str | None = None
    grpc_keepalive_time: int | None = None
    grpc_keepalive_timeout: int | None = None
    grpc_keepalive_permit_without_calls: bool | None = None
    grpc_http2_max_pings_without_data: int | None = None
    grpc_http2_min_recv_ping_interval_without_data: int | None = None
    grpc_http2_max_ping_strikes: int | None = None
    grpc_restricted_protocol: str | None = None
    allow_metrics: bool | None = None
    allow_gpu_metrics: bool | None = None
    allow_cpu_metrics: bool | None = None
    metrics_interval_ms: int | None = None
    metrics_port: int | None = None
    metrics_address: str | None = None
    allow_sagemaker: bool | None = None
    sagemaker_port: int | None = None
    sagemaker_safe_port_range: str | None = None
    sagemaker_thread_count: int | None = None
    allow_vertex_ai: bool | None = None
    vertex_ai_port: int | None = None
    vertex_ai_thread_count: int | None = None
    vertex_ai_default_model: str | None = None
    metrics_config: list[str] | None = None
    trace_config: list[str] | None = None
    cache_config: list[str] | None = None
    cache_directory: str | None = None
    buffer_manager_thread_count: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> TritonConfig:
        """The configuration of these fields; other keys are named in a warning and left out."""
        known = {field.name for field in fields(cls)}
        for name in sorted(set(config) - known):
            _LOG.warning("TritonConfig has no field %s; it is left out", name)
        return cls(**{name: value for name, value in config.items() if name in known})

    @classmethod
    def from_env(cls) -> TritonConfig:
        """The fields whose variable is set; raises PyTritonValidationError for a value that a field cannot have."""
        kinds = {field.name: str(field.type).partition(" ")[0] for field in fields(cls)}
        found = {name: os.environ.get(VARIABLES + name.upper()) for name in kinds}
        return cls(**{name: _value(name, kinds[name], text) for name, text in found.items() if text is not None})


@dataclass(frozen=True)
class TritonLifecyclePolicy:
    """When the server starts. Here it starts with `Triton.run`, and there is no other store of models."""

    launch_triton_on_startup: bool = True
    local_model_store: bool = False


@dataclass(frozen=True)
class TritonSecurityConfig:
    """The token for the APIs that change the server. Here they are closed to all clients, and no token opens them."""

    access_token: str | None = None
    restricted_endpoints: list[str] | None = None


def _value(name: str, kind: str, text: str) -> Any:
    if kind == "list[str]":
        return [text]
    try:
        return _BOOLEANS[text.lower()] if kind == "bool" else {"int": int, "Path": Path}.get(kind, str)(text)
    except (ValueError, KeyError):
        expected = "a whole number" if kind == "int" else "true or false"
        raise PyTritonValidationError(f"{VARIABLES}{name.upper()}={text}: expected {expected}") from None
