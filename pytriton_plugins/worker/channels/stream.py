"""The loop that serves a channel with a generator: one response for each yield; runs in a thread of the worker."""

from __future__ import annotations

import contextlib
from typing import Any

from pytriton_plugins.errors import ProtocolError, RequestError
from pytriton_plugins.shm import wire
from pytriton_plugins.worker.blocks.response_writer import Written
from pytriton_plugins.worker.calling.errors import RequestFailure
from pytriton_plugins.worker.calling.runner import Batch, Cancelled, Outcome
from pytriton_plugins.worker.channels.base import Slot


class EndOfChannel(Exception):
    """The backend is gone while a stream goes on, or, if there is a cause, has broken the protocol."""


class StreamSlot(Slot):
    """What streams have in common, whether they are awaited or not: parts and the end."""

    def part(self, batch: Batch, result: Any) -> Written:
        """Write one response; raises what ends the stream instead, RequestError for lack of memory among it."""
        exchange = batch.exchange
        if exchange is not None and exchange.failures:
            failure = exchange.failures[0]
            raise RequestError(failure.message, failure.code)
        written = self.write(batch, [Outcome(0, 1, self._calls.outputs_of(batch, result), None)])
        if self._writer.short is not None:
            raise RequestError(self._writer.short.message, self._writer.short.code)
        if exchange is not None:
            exchange.said.clear()
        return written

    def end(self, batch: Batch, failure: RequestFailure | None) -> Written:
        """Write the end of the stream."""
        if batch.exchange is not None:
            batch.exchange.close()
            failure = batch.exchange.failures.get(0, failure)
        outcome = Outcome(0, 1, None if failure else {}, failure)
        return self.write(batch._replace(exchange=None), [outcome])


class StreamServer(StreamSlot):
    """Serves one channel, from EXECUTE by way of PART to DONE."""

    def serve(self) -> None:
        """Answer requests until the channel ends."""
        try:
            while (message := self.receive()) is not None:
                if message.kind == wire.EXECUTE:
                    self.answer(wire.DONE, message.batch, self._stream(message))
                else:
                    self.tidy(message.kind, message.segment)
        except EndOfChannel as end:
            if end.__cause__ is not None:
                raise end.__cause__ from None

    def _stream(self, message: wire.ChannelMessage) -> Written:
        plan = self._reader.plan(message.segment, message.offset, message.length)
        tell = self.begin(plan.rows)
        batch = self._reader.batch(plan, self.new_exchange(plan))
        failure = self._run(message.batch, batch)
        written = self.end(batch, failure)
        tell()
        return written

    def _run(self, number: int, batch: Batch) -> RequestFailure | None:
        sent = False
        failure = None
        try:
            with contextlib.closing(self._callable(**self._calls.arguments.of(batch))) as results:
                for result in results:
                    wanted, sent = not sent or self._is_wanted(), False
                    if not wanted:
                        raise Cancelled
                    self._send(number, self.part(batch, result))
                    sent = True
        except EndOfChannel:
            raise
        except BaseException as error:
            failure = self._calls.failure(error)
        if sent:
            self._is_wanted()
        return failure

    def _send(self, number: int, part: Written) -> None:
        try:
            self.answer(wire.PART, number, part)
        except (BrokenPipeError, ConnectionResetError):
            raise EndOfChannel from None

    def _is_wanted(self) -> bool:
        """Wait until the backend has taken the response; whether anybody wants the next one."""
        while (message := self.receive()) is not None:
            if message.kind == wire.TAKEN:
                return not message.flags & wire.CANCELLED
            if message.kind != wire.CANCEL:
                raise EndOfChannel from ProtocolError(f"channel: a message of kind {message.kind} in a stream")
        raise EndOfChannel
