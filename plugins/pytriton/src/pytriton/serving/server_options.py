"""From `TritonConfig` to the keywords of `Host`."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import Any

from pytriton.config import TritonSecurityConfig
from pytriton.exceptions import PyTritonValidationError

_LOG = logging.getLogger("pytriton.triton")

ADDRESS_VARIABLE = "PYTRITON_HOST_ADDRESS"

_KEYWORDS = {
    "http_port": "http_port",
    "grpc_port": "grpc_port",
    "metrics_port": "metrics_port",
    "exit_timeout_secs": "drain_timeout",
}
"""Fields that are settings of the daemon."""

_ADDRESSES = ("http_address", "grpc_address", "metrics_address")
_TOKENS = ("http_restricted_api", "grpc_restricted_protocol")
_TLS = ("grpc_use_ssl", "grpc_use_ssl_mutual", "grpc_server_cert", "grpc_server_key", "grpc_root_cert")

_NOT_USED = {
    "model_repository": "models are bound in the script, and the server keeps no folder of them",
    "log_file": "the log goes to the logger pytriton; add a logging.FileHandler to it",
    "exit_on_error": "a model that cannot be loaded is an error of bind and run",
    "strict_readiness": "the server is ready only if its models are",
    "cache_directory": "the server's own caches are used",
}
"""Fields that change nothing, and why."""

_REFUSED = {
    **dict.fromkeys(_TLS, "end TLS in a proxy before the port"),
    "allow_vertex_ai": "give Vertex AI the routes /v2/models/NAME/infer and /v2/health/ready",
}
"""Fields without which a script would not do what it says, and the other way."""


def host_keywords(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords for the fields that are set; raises PyTritonValidationError for one that cannot be done."""
    given = {name: value for name, value in fields.items() if value is not None}
    keywords: dict[str, Any] = {}
    options: list[str] = []
    address = _address(given)
    if address:
        keywords["address"] = address
    for name, value in given.items():
        if name in _KEYWORDS:
            keywords[_KEYWORDS[name]] = value
        elif name in _NOT_USED or (name in _TOKENS):
            _LOG.warning("TritonConfig.%s is not used: %s", name, _NOT_USED.get(name, "these APIs are closed already"))
        elif name in _REFUSED and value not in (False, None):
            raise PyTritonValidationError(f"TritonConfig.{name} is not supported: {_REFUSED[name]}")
        elif name not in _ADDRESSES and name not in _REFUSED:
            options += _options(name, value)
    return {**keywords, "server_options": options} if options else keywords


def in_fields(message: str) -> str:
    """A message of the daemon, with the fields in place of the options of its command."""
    return re.sub(r"--(http|grpc|metrics)-port\b", r"TritonConfig(\1_port=PORT)", message)


def _address(given: Mapping[str, Any]) -> str | None:
    """One address for all ports; PyTriton's default is every interface."""
    wanted = {str(given[name]) for name in _ADDRESSES if name in given}
    if len(wanted) > 1:
        raise PyTritonValidationError(f"TritonConfig: one address for all ports, not {' and '.join(sorted(wanted))}")
    if wanted:
        return {"localhost": "127.0.0.1"}.get(address := wanted.pop(), address)
    return None if os.environ.get(ADDRESS_VARIABLE) else "0.0.0.0"


def _options(name: str, value: Any) -> list[str]:
    """The options of tritonserver itself, which is asked for them by their names."""
    option = name.replace("_", "-")
    if name.endswith("_config"):
        listed = [value] if isinstance(value, str) else list(value)
        return [f"{option}={each}" for each in listed]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return [f"{option}={text}"]


def security_problems(config: TritonSecurityConfig | None) -> list[str]:
    """What of a `TritonSecurityConfig` has no effect, a line each."""
    if config is None:
        return []
    given = [name for name in ("access_token", "restricted_endpoints") if getattr(config, name) is not None]
    return [
        f"TritonSecurityConfig.{name} is not used: the APIs that change the server are closed to all clients"
        for name in given
    ]
