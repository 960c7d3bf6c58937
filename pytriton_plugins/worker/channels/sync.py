"""The loop that takes batches from a channel, has them run and answers; runs in a thread of the worker."""

from __future__ import annotations

import os

from pytriton_plugins.shm import wire
from pytriton_plugins.shm.sockets import NO_SIGNAL, send
from pytriton_plugins.worker.blocks.request_reader import Plan
from pytriton_plugins.worker.blocks.response_writer import Written
from pytriton_plugins.worker.calling.arguments import requests_of
from pytriton_plugins.worker.calling.request_state import Exchange
from pytriton_plugins.worker.calling.runner import Batch
from pytriton_plugins.worker.channels.base import NEW_MEMORY, ROOM, Slot


class ChannelServer(Slot):
    """Serves one channel, from EXECUTE to DONE, with a callable that answers when it returns.

    Between two batches other processes have the processor and its caches, so what a batch costs here is counted in
    steps, not in bytes. Batches like an earlier one therefore take a short way, on which nothing is worked out again.
    """

    def serve(self) -> None:
        """Answer batches until the channel ends."""
        descriptor = self._sock.fileno()
        layout = wire.CHANNEL_MESSAGE
        while True:
            try:
                data = os.read(descriptor, ROOM)
            except ConnectionResetError:  # the backend closed with a message of ours unread; its own may still come
                data = os.read(descriptor, ROOM)
            if not data:
                return
            kind, flags, _, number, batch, offset, length = layout.unpack(data)
            if kind != wire.EXECUTE:
                self.tidy(kind, number)
                continue
            if flags & NEW_MEMORY and not self.take_memory(flags):
                return
            offset, length = self._answer(number, offset, length)
            # What `Slot.answer` does, step by step, for this is the way of every batch.
            flags = wire.RETIRED if self._reader.is_kept() else 0
            segment = self._writer.segment
            if segment.unsent >= 0:
                flags |= wire.NEW_SEGMENT
            done = layout.pack(wire.DONE, flags, 0, segment.number, batch, offset, length)
            if segment.unsent < 0:
                self._sock.send(done, NO_SIGNAL)
            else:
                send(self._sock, done, (segment.unsent,))
                os.close(segment.unsent)
                segment.unsent = -1
            if self._has_details:
                self._writer.release()

    def _answer(self, number: int, offset: int, length: int) -> Written:
        # A function of its own: when it returns, only the callable can still refer to the batch's arrays.
        plan = self._reader.plan(number, offset, length)
        if self._has_details:
            return self._answer_in_context(plan)
        reader, writer = self._reader, self._writer
        if plan.views is None or reader.copies:
            batch = reader.batch(plan)
            return self.write(batch, self._calls.run(batch))
        arguments = {}
        for name, view in plan.views:
            arguments[name] = view.view()
        try:
            result = self._callable(**arguments)
        except BaseException as error:
            batch = reader.batch(plan)
            return self.write(batch, self._calls.failed(batch, error))
        written = writer.write_again(plan.answers, result)
        if written is None:
            batch = reader.batch(plan)
            outcomes = self._calls.finished(batch, result)
            written = self.write(batch, outcomes)
            writer.learn(plan.answers, result, outcomes)
        return written

    def _answer_in_context(self, plan: Plan) -> Written:
        exchange = self.new_exchange(plan)
        assert exchange is not None
        try:
            if plan.views is None or self._reader.copies:
                batch = self._reader.batch(plan, exchange)
                return self.write(batch, self._calls.run(batch))
            return self._answer_views(plan, exchange)
        finally:
            exchange.close()

    def _answer_views(self, plan: Plan, exchange: Exchange) -> Written:
        calls, writer = self._calls, self._writer
        alone = Batch({}, plan.rows, plan.requested, exchange=exchange)
        arguments = {name: view.view() for name, view in plan.views or ()}
        arguments[calls.context] = calls.arguments.context(exchange, requests_of(alone))
        try:
            result = self._callable(**arguments)
        except BaseException as error:
            batch = self._reader.batch(plan, exchange)
            return self.write(batch, calls.failed(batch, error))
        said = exchange.failures or exchange.said
        written = None if said else writer.write_again(plan.answers, result)
        if written is None:
            batch = self._reader.batch(plan, exchange)
            outcomes = calls.finished(batch, result)
            written = self.write(batch, outcomes)
            if not said:
                writer.learn(plan.answers, result, outcomes)
        return written


class ObservedServer(ChannelServer):
    """Answers as `ChannelServer` does, the short way too, and tells the observer before and after each batch."""

    def _answer(self, number: int, offset: int, length: int) -> Written:
        end = self.begin(self._reader.plan(number, offset, length).rows)
        written = super()._answer(number, offset, length)
        end()
        return written
