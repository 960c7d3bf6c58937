"""How a client connects: its options, and the pauses between attempts."""

from __future__ import annotations

import ssl
import time
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future
from typing import Protocol, TypeAlias

import attrs

from pytriton_plugins.client.description import ModelInfo
from pytriton_plugins.client.errors import InvalidUrl
from pytriton_plugins.client.request import Request, Result
from pytriton_plugins.text import one_line

Key: TypeAlias = tuple[str, str]
"""Name and version of a model."""

Headers: TypeAlias = Mapping[str, str]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5
"""Seconds between attempts to connect."""

_TICK = 0.05
"""Seconds by which a timer may be early."""


@attrs.frozen
class ConnectionOptions:
    """``connect_timeout``: seconds in which a connection must be made. The others are paths of PEM files."""

    connect_timeout: float
    max_connections: int
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


class Transport(Protocol):
    """The calls of a `Client`; each raises ClientError. A ``timeout`` is in seconds; None is unlimited."""

    def is_ready(self, key: Key, timeout: float | None, headers: Headers) -> bool:
        """Whether the model, or the server for an empty name, is ready; asked once. ``key``: name and version."""
        ...

    def describe(self, key: Key, timeout: float | None, headers: Headers) -> ModelInfo:
        """The model's metadata and configuration."""
        ...

    def infer(self, request: Request, timeout: float | None) -> Result:
        """Send a request and wait for its response."""
        ...

    def submit(self, request: Request, timeout: float | None) -> Future[Result]:
        """Send a request; cancelling the future cancels it."""
        ...

    def stream(self, request: Request, timeout: float | None) -> Generator[Result, None, None]:
        """Send a request and yield its responses."""
        ...

    def close(self) -> None:
        """Close the connections; requests in flight fail."""
        ...


class Responses(Protocol):
    """The responses of a stream, as an `AsyncClient` reads them.

    It is not an asynchronous generator: an event loop that ends closes all of those at once, nested ones too, and that
    fails.
    """

    async def next(self) -> Result | None:
        """The next response; None after the last one. The first call sends the request."""
        ...

    async def close(self) -> None:
        """Cancel the request if it still runs."""
        ...


class AsyncTransport(Protocol):
    """The calls of an `AsyncClient`, as in `Transport`."""

    async def is_ready(self, key: Key, timeout: float | None, headers: Headers) -> bool:
        """Whether the model, or the server for an empty name, is ready; asked once. ``key``: name and version."""
        ...

    async def describe(self, key: Key, timeout: float | None, headers: Headers) -> ModelInfo:
        """The model's metadata and configuration."""
        ...

    async def infer(self, request: Request, timeout: float | None) -> Result:
        """Send a request and wait for its response."""
        ...

    def stream(self, request: Request, timeout: float | None) -> Responses:
        """The responses of a request, which is not sent yet."""
        ...

    async def close(self) -> None:
        """Close the connections; requests in flight fail."""
        ...

    def abandon(self) -> None:
        """Close the connections of a client that was not closed, in any thread."""
        ...


def pauses(connect_timeout: float, timeout: float | None) -> Iterator[float]:
    """The seconds to wait before each further attempt to connect, until one of both timeouts is over."""
    end = time.monotonic() + min(connect_timeout, connect_timeout if timeout is None else timeout)
    pause = _FIRST_PAUSE
    while time.monotonic() + pause < end:
        yield pause
        pause = min(pause * 2, _LONGEST_PAUSE)


def left(deadline: float | None) -> float | None:
    """The seconds until ``deadline``, by the monotonic clock; more than 0."""
    return None if deadline is None else max(0.001, deadline - time.monotonic())


def is_over(deadline: float | None) -> bool:
    """Whether ``deadline`` has passed, or will within the clock's tick."""
    return deadline is not None and time.monotonic() >= deadline - _TICK


def read_pem(path: str | None) -> bytes | None:
    """The content of a PEM file; raises InvalidUrl."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise InvalidUrl(f"file {one_line(repr(path))} cannot be read: {error.strerror}; check the path") from None


def tls_context(options: ConnectionOptions) -> ssl.SSLContext:
    """The TLS settings of HTTPS; raises InvalidUrl."""
    for path in (options.tls_ca, options.tls_cert, options.tls_key):
        read_pem(path)
    try:
        context = ssl.create_default_context(cafile=options.tls_ca)
        if options.tls_cert:
            context.load_cert_chain(options.tls_cert, options.tls_key)
    except ssl.SSLError as error:
        raise InvalidUrl(
            f"the TLS files cannot be used: {one_line(error)}; check tls_ca, tls_cert and tls_key"
        ) from None
    return context
