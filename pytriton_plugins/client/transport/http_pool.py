"""The connections of an event loop to one HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import os
import ssl
import time
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.errors import ClientError
from pytriton_plugins.client.transport.connection import ConnectionOptions, is_over, left, pauses, tls_context
from pytriton_plugins.client.transport.failures import (
    closed_meanwhile,
    late,
    lost,
    not_installed,
    unreachable,
    wrong_server,
)
from pytriton_plugins.client.transport.loop_watch import LoopWatch


@attrs.frozen
class Exchange:
    """One HTTP request of ``model``.

    ``stated`` is the timeout of the caller, of which ``timeout`` is left. ``once``: a connection is tried once.
    """

    path: str
    model: str
    timeout: float | None
    stated: float | None = None
    headers: Mapping[str, str] | None = None
    body: bytes | None = None
    once: bool = False
    deadline: float | None = attrs.field(init=False)

    @deadline.default
    def _deadline(self) -> float | None:
        return None if self.timeout is None else time.monotonic() + self.timeout


class HttpPool:
    """A pool of connections, each with one request at a time; more requests wait for a free one."""

    def __init__(self, address: Address, options: ConnectionOptions) -> None:
        """Made in the event loop that uses it."""
        try:
            import aiohttp
            import yarl
        except ImportError:
            raise not_installed("aiohttp", "pytriton-plugins[http]") from None
        self._aiohttp, self._yarl = aiohttp, yarl
        self._address = address
        self._connect_timeout = options.connect_timeout
        self._loop = asyncio.get_running_loop()
        tls = tls_context(options) if address.secure else False
        connector = connector_class(aiohttp)(limit=options.max_connections, ssl=tls)
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_start.append(_connecting)
        self._session = aiohttp.ClientSession(connector=connector, trace_configs=[trace])
        self._is_closed = False
        _POOLS.add(self)

    async def answer(self, exchange: Exchange) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of the response."""
        with self.explained(exchange):
            async with await self._connected(exchange) as response:
                return response.status, response.headers, await response.read()

    async def begin(self, exchange: Exchange) -> Any:
        """The response, whose body is not read yet; the caller closes it."""
        with self.explained(exchange):
            return await self._connected(exchange)

    @contextlib.contextmanager
    def explained(self, exchange: Exchange) -> Iterator[None]:
        """Raise the errors of the connection inside as those of the client."""
        try:
            yield
        except (self._aiohttp.ClientError, asyncio.TimeoutError) as error:
            if isinstance(error, asyncio.TimeoutError) and is_over(exchange.deadline):
                raise late(self._address, exchange.stated or exchange.timeout or 0, exchange.model) from None
            raise self._explained(error, exchange.model) from None
        except (RuntimeError, asyncio.CancelledError):
            # aiohttp's words for a closed session, and for a request that waits for a free connection of it.
            if self._is_closed:
                raise closed_meanwhile(self._address, exchange.model) from None
            raise

    async def close(self) -> None:
        """Close the connections."""
        self._is_closed = True
        await self._session.close()

    def abandon(self) -> None:
        """Close the connections in their own event loop, if that still runs; from any thread."""
        self._is_closed = True
        if self._loop.is_running():
            with contextlib.suppress(RuntimeError):  # it has just ended
                self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._session.close()))
                return
        # No loop closes them any more: aiohttp must not complain of a session that was left open.
        closing = self._session.close()
        with contextlib.suppress(StopIteration, RuntimeError):
            closing.send(None)
        closing.close()

    def leave_to_parent(self) -> None:
        """In a forked child: the session counts as closed, so that nothing complains of it."""
        self._session.detach()

    async def _connected(self, exchange: Exchange) -> Any:
        """The response's head; asked again while no connection can be made, because nothing was sent then."""
        waits = pauses(0.0 if exchange.once else self._connect_timeout, exchange.timeout)
        while True:
            watch = LoopWatch(self._loop, self._connect_timeout)
            try:
                return await self._requested(exchange, watch)
            except self._aiohttp.ServerTimeoutError:
                if watch.loop_ran or exchange.once or is_over(exchange.deadline):
                    raise
            except self._aiohttp.ClientConnectorError as error:
                pause = None if self._is_not_tls(error) else next(waits, None)
                if pause is None:
                    raise
                await asyncio.sleep(pause)
            finally:
                watch.end()

    async def _requested(self, exchange: Exchange, watch: LoopWatch) -> Any:
        scheme = "https" if self._address.secure else "http"
        # As it stands: a slash in a model's name is escaped already.
        url = self._yarl.URL(f"{scheme}://{self._address.target}{exchange.path}", encoded=True)
        limits = self._aiohttp.ClientTimeout(total=left(exchange.deadline), sock_connect=self._connect_timeout)
        # A file, because aiohttp warns of long bytes: it would write them at once.
        body = None if exchange.body is None else io.BytesIO(exchange.body)
        method = "GET" if body is None else "POST"
        return await self._session.request(
            method, url, timeout=limits, data=body, headers=exchange.headers, trace_request_ctx=watch
        )

    def _explained(self, error: Exception, model: str) -> ClientError:
        aiohttp, address = self._aiohttp, self._address
        reason = getattr(error, "os_error", error)
        text = str(reason) or type(reason).__name__
        if isinstance(error, aiohttp.ClientConnectorError):
            return (wrong_server if self._is_not_tls(error) else unreachable)(address, text, model)
        if isinstance(error, aiohttp.ServerTimeoutError):  # there is no other one than that of the connection
            return unreachable(address, f"no connection within {self._connect_timeout:g} s", model)
        if isinstance(error, aiohttp.ClientResponseError):
            return wrong_server(address, "the answer is not HTTP", model)
        return closed_meanwhile(address, model) if self._is_closed else lost(address, text, model)

    def _is_not_tls(self, error: Exception) -> bool:
        """Whether a server answers, but without TLS, or with a certificate that is not trusted."""
        reason = getattr(error, "os_error", error)
        return self._address.secure and isinstance(reason, (ssl.SSLError, ssl.CertificateError, ConnectionResetError))


async def _connecting(session: Any, context: Any, parameters: Any) -> None:
    """aiohttp calls it when it begins to make a connection."""
    context.trace_request_ctx.begin()


@functools.cache
def connector_class(aiohttp: Any) -> Any:
    """A class of connectors that a forked child does not close: it would change the event loop of its parent."""

    class Connector(aiohttp.TCPConnector):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            self._process = os.getpid()
            super().__init__(**options)

        def __del__(self, *arguments: Any) -> None:
            if os.getpid() == self._process:
                super().__del__(*arguments)

    return Connector


_POOLS: weakref.WeakSet[HttpPool] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for each in [*_POOLS]:
        each.leave_to_parent()
    _POOLS.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
