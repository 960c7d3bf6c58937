"""The address of a server, from a URL."""

from __future__ import annotations

import re

import attrs

from pytriton_plugins.client.errors import InvalidUrl
from pytriton_plugins.text import one_line

PORTS = {"grpc": 8001, "http": 8000}
_SCHEMES = {"http": ("http", False), "https": ("http", True), "grpc": ("grpc", False), "grpcs": ("grpc", True)}
_TARGET = re.compile(r"(?P<host>\[[0-9a-fA-F:.%\w]+\]|[^\s/:\[\]@?#]+)(?::(?P<port>\d{1,5}))?/?")


@attrs.frozen
class Address:
    """``protocol`` is ``grpc`` or ``http``; ``target`` is ``HOST:PORT``, with brackets around an IPv6 address."""

    protocol: str
    secure: bool
    target: str

    def __str__(self) -> str:
        return f"{self.protocol}{'s' if self.secure else ''}://{self.target}"


def parse_url(url: str) -> Address:
    """The address that ``url`` names; without a scheme it is gRPC. Raises InvalidUrl."""
    if not isinstance(url, str):
        raise InvalidUrl(f"invalid URL {one_line(repr(url), 80)}: expected a text such as grpc://HOST:8001")
    scheme, separator, rest = url.strip().rpartition("://")
    if separator and scheme.lower() not in _SCHEMES:
        raise InvalidUrl(f"{_shown(url)}: unknown scheme {one_line(scheme, 40)}://; write {_EXPECTED}")
    found = _TARGET.fullmatch(rest)
    if not found or int(found["port"] or 1) not in range(1, 65536):
        raise InvalidUrl(f"invalid URL {_shown(url)}: expected {_EXPECTED}")
    protocol, secure = _SCHEMES[scheme.lower() or "grpc"]
    return Address(protocol, secure, f"{found['host']}:{found['port'] or PORTS[protocol]}")


_EXPECTED = "http://HOST:PORT, https://…, grpc://… or grpcs://…"


def _shown(url: str) -> str:
    """The URL without a user's name and password."""
    return one_line(re.sub(r"//[^/@]*@", "//…@", url) or "''", 80)
