"""`CallStream`: the responses of one call."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING

from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from pytriton_plugins.worker.nested.exchange import Exchange
    from pytriton_plugins.worker.nested.open_call import OpenCall
    from pytriton_plugins.worker.nested.request import CallRequest
    from pytriton_plugins.worker.nested.results import Outputs


class CallStream:
    """The responses of one call, each a dict of arrays by name; an iterator, and an async iterator."""

    def __init__(self, exchange: Exchange, request: CallRequest) -> None:
        self._exchange = exchange
        self._request = request
        self._call: OpenCall | None = None
        self._is_over = False
        self._reading = threading.Lock()
        """Held while a thread or task waits for a response."""

    def __iter__(self) -> CallStream:
        return self

    def __next__(self) -> Outputs:
        if self._is_over:
            raise StopIteration
        self._begin_reading()
        try:
            if self._call is None:
                self._call = self._exchange.open_stream(self._request)
            outputs = self._exchange.next_response(self._call)
        except BaseException:
            self.close()
            raise
        finally:
            self._reading.release()
        if outputs is None:
            self._is_over = True
            raise StopIteration
        return outputs

    def __aiter__(self) -> CallStream:
        return self

    async def __anext__(self) -> Outputs:
        if self._is_over:
            raise StopAsyncIteration
        self._begin_reading()
        try:
            if self._call is None:
                self._call = await self._exchange.open_stream_async(self._request)
            outputs = await self._exchange.next_response_async(self._call)
        except BaseException:
            self.close()
            raise
        finally:
            self._reading.release()
        if outputs is None:
            self._is_over = True
            raise StopAsyncIteration
        return outputs

    def close(self) -> None:
        """Cancel the call if it runs; may be called again."""
        self._is_over = True
        call, self._call = self._call, None
        if call is not None and not call.ended:
            self._exchange.abandon(call)

    async def aclose(self) -> None:
        """The same for ``contextlib.aclosing``."""
        self.close()

    def __enter__(self) -> CallStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._call is not None and not self._call.ended:
            self._exchange.drop(self._call)

    def _begin_reading(self) -> None:
        if not self._reading.acquire(blocking=False):
            name = one_line(repr(self._request.target.name))
            problem = f"ctx.models: another thread or task reads this stream of model {name}"
            raise RuntimeError(f"{problem}; read it in one of them")
