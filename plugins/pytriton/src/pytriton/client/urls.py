"""`TritonUrl`: the address of a server; HTTP without a scheme."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from pytriton.client.exceptions import PyTritonClientInvalidUrlError

DEFAULT_HTTP_PORT, DEFAULT_GRPC_PORT = 8000, 8001
_PORTS = {
    "http": DEFAULT_HTTP_PORT,
    "https": DEFAULT_HTTP_PORT,
    "grpc": DEFAULT_GRPC_PORT,
    "grpcs": DEFAULT_GRPC_PORT,
}


@dataclass
class TritonUrl:
    """``scheme`` is ``http`` or ``grpc``, or one of them with an ``s`` for TLS, which PyTriton does not have."""

    scheme: str
    hostname: str
    port: int

    @classmethod
    def from_url(cls, url: str) -> TritonUrl:
        """The address in ``url``; raises PyTritonClientInvalidUrlError."""
        if not isinstance(url, str):
            raise _invalid(url)
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError:
            raise _invalid(url) from None
        if parts.scheme not in _PORTS or not parts.hostname or port == 0 or parts.path not in ("", "/"):
            raise _invalid(url)
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])

    @property
    def without_scheme(self) -> str:
        """``HOST:PORT``, with brackets around an IPv6 address."""
        host = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        return f"{host}:{self.port}"

    @property
    def with_scheme(self) -> str:
        """``SCHEME://HOST:PORT``."""
        return f"{self.scheme}://{self.without_scheme}"

    @property
    def is_grpc(self) -> bool:
        """Whether the protocol is gRPC."""
        return self.scheme.startswith("grpc")


def _invalid(url: object) -> PyTritonClientInvalidUrlError:
    return PyTritonClientInvalidUrlError(
        f"invalid URL {url!r:.80}: expected HOST, HOST:PORT, http://HOST:PORT or grpc://HOST:PORT"
    )
