"""Serves a channel with a callable that returns its result: one batch after the other, in one thread."""

from __future__ import annotations

import os
from typing import Any

from pytriton_plugins.model.context import Context
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.sockets import NO_SIGNAL, send
from pytriton_plugins.worker.blocks.request_reader import RequestPlan
from pytriton_plugins.worker.blocks.response_template import BlockPosition
from pytriton_plugins.worker.calling.arguments import requests_of
from pytriton_plugins.worker.calling.batch import Batch
from pytriton_plugins.worker.calling.request_state import RequestState
from pytriton_plugins.worker.channels.base import NEW_MEMORY, RECEIVE_SIZE
from pytriton_plugins.worker.channels.thread_calls import ThreadCallsServer


class SyncServer(ThreadCallsServer):
    """Serves one channel, from EXECUTE to DONE.

    Between two batches other processes use the processor and its caches, so the cost of a batch here is the number of
    steps, not of bytes. Batches that equal an earlier one therefore take a fast path that computes nothing again.
    """

    def serve(self) -> None:
        """Answer batches until the channel ends."""
        descriptor = self._sock.fileno()
        layout = wire.CHANNEL_MESSAGE
        while True:
            try:
                data = os.read(descriptor, RECEIVE_SIZE)
            except ConnectionResetError:  # the backend closed and left a message of ours unread; its own may still come
                data = os.read(descriptor, RECEIVE_SIZE)
            if not data:
                return
            kind, flags, _, number, batch, offset, length = layout.unpack(data)
            if kind != wire.EXECUTE:
                self.handle_idle_message(kind, number)
                continue
            if flags & NEW_MEMORY and not self.take_memory(flags):
                return
            self._number = batch
            offset, length = self._answer(number, offset, length)
            if self._calls is not None:
                self.end_batch()
            # The steps of `ChannelServer.answer`, repeated here because every batch passes them.
            flags = wire.RETIRED if self._reader.is_kept() else 0
            segment = self._writer.segment
            if segment.unsent >= 0:
                flags |= wire.NEW_SEGMENT
            done = layout.pack(wire.DONE, flags, 0, segment.number, batch, offset, length)
            if segment.unsent < 0:
                self._sock.send(done, NO_SIGNAL)
            else:
                send(self._sock, done, (segment.unsent,))
                segment.close_unsent()
            if self._has_details:
                self._writer.release()

    def _answer(self, number: int, offset: int, length: int) -> BlockPosition:
        # A function of its own: when it returns, only the callable can still refer to the batch's arrays.
        plan = self._reader.plan(number, offset, length)
        if self._has_details:
            return self._answer_in_context(plan)
        reader, writer = self._reader, self._writer
        if plan.views is None or reader.copies:
            batch = reader.batch(plan)
            return self.write(batch, self._runner.run(batch))
        arguments = {}
        for name, view in plan.views:
            arguments[name] = view.view()
        try:
            result = self._callable(**arguments)
        except BaseException as error:
            batch = reader.batch(plan)
            return self.write(batch, self._runner.fail(batch, error))
        position = writer.write_by_template(plan.templates, result)
        if position is None:
            batch = reader.batch(plan)
            outcomes = self._runner.finish(batch, result)
            position = self.write(batch, outcomes)
            writer.add_template(plan.templates, result, outcomes)
        return position

    def _answer_in_context(self, plan: RequestPlan) -> BlockPosition:
        state = self.new_state(plan)
        assert state is not None
        try:
            if plan.views is None or self._reader.copies or self._sequences is not None:
                batch = self._reader.batch(plan, state)
                return self.write(batch, self._runner.run(batch))
            return self._answer_views(plan, state)
        finally:
            state.close()

    def _answer_views(self, plan: RequestPlan, state: RequestState) -> BlockPosition:
        runner, writer = self._runner, self._writer
        arguments: dict[str, Any] = {}
        for name, view in plan.views or ():
            arguments[name] = view.view()
        # Most callables do not look at the requests.
        arguments[runner.context] = Context(
            state, lambda: requests_of(Batch({}, plan.rows, plan.requested, state=state))
        )
        try:
            result = self._callable(**arguments)
        except BaseException as error:
            batch = self._reader.batch(plan, state)
            return self.write(batch, runner.fail(batch, error))
        changes = state.failures or state.response_parameters
        position = None if changes else writer.write_by_template(plan.templates, result)
        if position is None:
            batch = self._reader.batch(plan, state)
            outcomes = runner.finish(batch, result)
            position = self.write(batch, outcomes)
            if not changes:
                writer.add_template(plan.templates, result, outcomes)
        return position


class ObservedSyncServer(SyncServer):
    """Answers as `SyncServer` does, the fast path included, and tells the observer before and after each batch."""

    def _answer(self, number: int, offset: int, length: int) -> BlockPosition:
        end = self.begin(self._reader.plan(number, offset, length).rows)
        position = super()._answer(number, offset, length)
        end()
        return position
