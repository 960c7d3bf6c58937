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


@dataclass
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
        """The configuration of these fields, texts as what the field has; other keys are left out with a warning.

        Raises PyTritonValidationError for a text that a field cannot have.
        """
        for name in sorted(set(config) - set(_KINDS)):
            _LOG.warning("TritonConfig has no field %s; it is left out", name)
        return cls(**{name: _value(name, value) for name, value in config.items() if name in _KINDS})

    @classmethod
    def from_env(cls) -> TritonConfig:
        """The fields whose variable is set; a list has one more for each of its texts: ``…_CACHE_CONFIG_0``.

        Raises PyTritonValidationError for a value that a field cannot have.
        """
        found = {name: text for name, text in os.environ.items() if name.startswith(VARIABLES)}
        texts = {name.removeprefix(VARIABLES).lower(): text for name, text in found.items()}
        given: dict[str, Any] = {}
        for name in sorted(texts, key=_in_order):
            listed = name.rpartition("_")[0]
            if _KINDS.get(listed) == "list[str]" and name not in _KINDS:
                given[listed] = [*given.get(listed, ()), texts[name]]
            else:
                given[name] = [texts[name]] if _KINDS.get(name) == "list[str]" else texts[name]
        return cls.from_dict(given)


_KINDS = {field.name: str(field.type).removesuffix(" | None") for field in fields(TritonConfig)}
"""The type of each field of `TritonConfig`."""


@dataclass
class TritonLifecyclePolicy:
    """When the server starts: with the ``with`` block, or not before `Triton.run`; no other field has an effect."""

    launch_triton_on_startup: bool = True
    local_model_store: bool = False


DefaultTritonLifecyclePolicy = TritonLifecyclePolicy()
VertextAILifecyclePolicy = TritonLifecyclePolicy(launch_triton_on_startup=False, local_model_store=True)


@dataclass
class TritonSecurityConfig:
    """The token for the APIs that change the server. Here they are closed to all clients, and no token opens them."""

    access_token: str | None = None
    restricted_endpoints: list[str] | None = None


def _value(name: str, given: Any) -> Any:
    """A text as what the field has; anything else as it is."""
    kind = _KINDS[name]
    if not isinstance(given, str) or kind == "list[str]":
        return given
    try:
        return _BOOLEANS[given.lower()] if kind == "bool" else {"int": int, "Path": Path}.get(kind, str)(given)
    except (ValueError, KeyError):
        expected = "a whole number" if kind == "int" else "true or false"
        raise PyTritonValidationError(
            f"TritonConfig.{name}, or {VARIABLES}{name.upper()}: {given!r}, expected {expected}"
        ) from None


def _in_order(name: str) -> tuple[str, int]:
    """Numbers at the end by their value: 2 before 10."""
    beginning, _, number = name.rpartition("_")
    return (beginning, int(number)) if number.isdigit() else (name, -1)
