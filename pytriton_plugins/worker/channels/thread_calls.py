"""Calls of other models in servers whose callable is not awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytriton_plugins.shm import wire
from pytriton_plugins.worker.channels.base import ChannelServer

if TYPE_CHECKING:
    from pytriton_plugins.worker.nested.exchange import Exchange
    from pytriton_plugins.worker.nested.memory import CallMemory
    from pytriton_plugins.worker.nested.threads import ThreadExchange


class ThreadCallsServer(ChannelServer):
    """While a batch calls models, its calls read the channel, and keep what is not about them."""

    _threads: ThreadExchange | None = None

    def receive(self) -> wire.ChannelMessage | None:
        """The next message that is not about a call; None at the end of the channel."""
        threads = self._threads
        return super().receive() if threads is None or not threads.is_active else self.received(threads.next_message())

    def end_calls(self) -> None:
        """End the calls of the batch, before it is answered."""
        threads = self._threads
        if threads is None or not threads.is_active:
            return
        for data in threads.end():
            message = self.received(data)
            assert message is not None
            self.handle_idle_message(message.kind, message.segment)

    def end_batch(self) -> None:
        """End the calls of the batch and release its results; only the callable can still refer to them."""
        self.end_calls()
        if self._threads is not None:
            self._threads.end_batch()

    def close(self) -> None:
        """As in `ChannelServer`."""
        super().close()
        self._threads = None

    def _new_exchange(self, memory: CallMemory) -> Exchange:
        from pytriton_plugins.worker.nested.results import Outputs
        from pytriton_plugins.worker.nested.threads import ThreadExchange

        self._threads = ThreadExchange(self._sock, memory, self._reader)
        self._writer.take_calls(self._threads, Outputs)
        return self._threads
