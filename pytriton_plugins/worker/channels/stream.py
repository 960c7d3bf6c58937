"""Serves a channel with a generator: one response for each yield."""

from __future__ import annotations

import contextlib
from typing import Any

from pytriton_plugins.errors import ProtocolError, RequestError
from pytriton_plugins.shm import wire
from pytriton_plugins.worker.blocks.response_template import BlockPosition
from pytriton_plugins.worker.calling.batch import Batch, Outcome
from pytriton_plugins.worker.calling.errors import Cancelled, RequestFailure
from pytriton_plugins.worker.channels.base import ChannelServer
from pytriton_plugins.worker.channels.thread_calls import ThreadCallsServer


class EndOfChannel(Exception):
    """The channel has ended during a stream, or, if there is a cause, the backend has broken the protocol."""


class StreamServer(ChannelServer):
    """The parts and the end of a stream, awaited or not."""

    def write_part(self, batch: Batch, result: Any) -> BlockPosition:
        """Write one response; raises the error that ends the stream instead, RequestError for lack of memory too."""
        state = batch.state
        if state is not None and state.failures:
            raise _request_error(state.failures[0])
        position = self.write(batch, [Outcome(0, 1, self._runner.checked_part(batch, result), None)])
        if self._writer.memory_failure is not None:
            raise _request_error(self._writer.memory_failure)
        if state is not None:
            state.response_parameters.clear()
        return position

    def write_end(self, batch: Batch, failure: RequestFailure | None) -> BlockPosition:
        """Write the end of the stream."""
        if batch.state is not None:
            batch.state.close()
            failure = batch.state.failures.get(0, failure)
        outcome = Outcome(0, 1, None if failure else {}, failure)
        return self.write(batch._replace(state=None), [outcome])


class SyncStreamServer(ThreadCallsServer, StreamServer):
    """Serves one channel with a generator, from EXECUTE by way of PART to DONE."""

    def serve(self) -> None:
        """Answer requests until the channel ends."""
        try:
            while (message := self.receive()) is not None:
                if message.kind == wire.EXECUTE:
                    self._number = message.batch
                    position = self._stream(message)
                    self.end_batch()
                    self.answer(wire.DONE, message.batch, position)
                else:
                    self.handle_idle_message(message.kind, message.segment)
        except EndOfChannel as end:
            if end.__cause__ is not None:
                raise end.__cause__ from None

    def _stream(self, message: wire.ChannelMessage) -> BlockPosition:
        plan = self._reader.plan(message.segment, message.offset, message.length)
        finish = self.begin(plan.rows)
        batch = self._reader.batch(plan, self.new_state(plan))
        failure = self._run(message.batch, batch)
        position = self.write_end(batch, failure)
        finish()
        return position

    def _run(self, number: int, batch: Batch) -> RequestFailure | None:
        is_sent = False
        failure = None
        try:
            with contextlib.closing(self._callable(**self._runner.arguments.build(batch))) as results:
                for result in results:
                    is_wanted, is_sent = not is_sent or self._is_wanted(), False
                    if not is_wanted:
                        raise Cancelled
                    self._send(number, self.write_part(batch, result))
                    is_sent = True
        except EndOfChannel:
            raise
        except BaseException as error:
            failure = self._runner.failure(error)
        if is_sent:
            self._is_wanted()
        return failure

    def _send(self, number: int, part: BlockPosition) -> None:
        try:
            self.answer(wire.PART, number, part)
        except (BrokenPipeError, ConnectionResetError):
            raise EndOfChannel from None

    def _is_wanted(self) -> bool:
        """Wait until the backend has taken the response; whether a client wants the next one."""
        try:
            while (message := self.receive()) is not None:
                if message.kind == wire.TAKEN:
                    return not message.flags & wire.CANCELLED
                if message.kind != wire.CANCEL:
                    raise ProtocolError(f"channel: unexpected message of kind {message.kind} in a stream")
        except ProtocolError as error:
            raise EndOfChannel from error
        raise EndOfChannel


def _request_error(failure: RequestFailure) -> RequestError:
    return RequestError(failure.message, failure.code)
