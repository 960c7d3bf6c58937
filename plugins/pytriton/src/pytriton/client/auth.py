"""The header of an access token, which a server may ask for."""

from __future__ import annotations

from collections.abc import Mapping

TRITON_ACCESS_HEADER = "triton-access-token"
_GRPC_PREFIX = "triton-grpc-protocol-"


def create_auth_headers(access_token: str | None, protocol: str) -> dict[str, str]:
    """The header that carries the token; ``protocol`` is ``http`` or ``grpc``. Raises ValueError without a token."""
    if not access_token:
        raise ValueError("access_token: empty; pass the token of the server")
    prefix = _GRPC_PREFIX if protocol.startswith("grpc") else ""
    return {prefix + TRITON_ACCESS_HEADER: access_token}


def extract_access_token_from_headers(headers: Mapping[str, str] | None) -> str | None:
    """The token in the headers of either protocol; None without one."""
    given = headers or {}
    return given.get(TRITON_ACCESS_HEADER) or given.get(_GRPC_PREFIX + TRITON_ACCESS_HEADER)
