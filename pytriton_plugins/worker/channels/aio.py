"""Serves channels with a callable that is awaited, all of them in one event loop; runs in the worker's main thread."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from pytriton_plugins.shm import wire
from pytriton_plugins.text.exceptions import is_a
from pytriton_plugins.worker.blocks.response_writer import Written
from pytriton_plugins.worker.calling.errors import RequestFailure
from pytriton_plugins.worker.calling.runner import Batch, Cancelled, cancelled
from pytriton_plugins.worker.channels.stream import StreamSlot


class AsyncServer(StreamSlot):
    """Serves one channel, a batch at a time; the event loop runs those of the others meanwhile."""

    _task: asyncio.Task[None] | None = None
    _number = 0
    _is_unwanted = False
    """Whether nobody waits for the batch any more."""
    _taken: asyncio.Future[bool] | None = None

    async def serve(self) -> None:
        """Answer batches until the channel ends."""
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._sock, self._on_readable)
        try:
            await self._ended
        finally:
            loop.remove_reader(self._sock)
            if self._task is not None:
                self._cancel(self._task)
                await asyncio.wait([self._task])

    def _cancel(self, task: asyncio.Task[None]) -> None:
        self._is_unwanted = True
        task.cancel()

    def _on_readable(self) -> None:
        try:
            message = self.receive()
            if message is None:
                self._finish(None)
            else:
                self._on_message(message)
        except BaseException as error:
            self._finish(error)

    def _on_message(self, message: wire.ChannelMessage) -> None:
        if message.kind == wire.EXECUTE:
            self._number = message.batch
            self._is_unwanted = False
            self._task = asyncio.get_running_loop().create_task(self._run(message))
            self._task.add_done_callback(self._on_done)
        elif message.kind == wire.CANCEL:
            if self._task is not None and message.batch == self._number:
                self._cancel(self._task)
        elif message.kind == wire.TAKEN and self._taken is not None:
            self._taken.set_result(not message.flags & wire.CANCELLED)
            self._taken = None
        else:
            self.tidy(message.kind, message.segment)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._finish(error)

    def _finish(self, error: BaseException | None) -> None:
        if self._ended.done():
            return
        if error is None or is_a(error, BrokenPipeError, ConnectionResetError):
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)

    async def _run(self, message: wire.ChannelMessage) -> None:
        written = await self._answer(message)
        if self._is_unwanted:
            # asyncio holds the error by which it cancelled, and with that the callable's frames, until the next step.
            await asyncio.sleep(0)
        if not self._ended.done():
            self.answer(wire.DONE, message.batch, written)

    async def _answer(self, message: wire.ChannelMessage) -> Written:
        # A coroutine of its own: when it returns, only the callable can still refer to the batch's arrays.
        plan = self._reader.plan(message.segment, message.offset, message.length)
        tell = self.begin(plan.rows)
        batch = self._reader.batch(plan, self.new_exchange(plan))
        written = await self._answer_batch(message.batch, batch)
        if batch.exchange is not None:
            batch.exchange.close()
        tell()
        return written

    async def _answer_batch(self, number: int, batch: Batch) -> Written:
        return self.write(batch, await self._calls.run_async(batch, lambda: self._is_unwanted))


class AsyncStreamServer(AsyncServer):
    """Serves one channel with an async generator: one response for each yield."""

    async def _answer_batch(self, number: int, batch: Batch) -> Written:
        return self.end(batch, await self._stream(number, batch))

    async def _stream(self, number: int, batch: Batch) -> RequestFailure | None:
        failure = None
        sent: asyncio.Future[bool] | None = None
        try:
            async with contextlib.aclosing(self._callable(**self._calls.arguments.of(batch))) as results:
                async for result in results:
                    # A cancellation must not end the future, for it is still to be known when the part is taken.
                    if sent is not None and not await asyncio.shield(sent):
                        raise Cancelled
                    sent = self._send(number, batch, result)
        except asyncio.CancelledError as error:
            failure = self._calls.failure(cancelled(error, is_unwanted=self._is_unwanted))
        except BaseException as error:
            failure = self._calls.failure(error)
        if sent is not None:
            await self._until_taken(sent)
        return failure

    def _send(self, number: int, batch: Batch, result: Any) -> asyncio.Future[bool]:
        written = self.part(batch, result)
        self._taken = taken = asyncio.get_running_loop().create_future()
        self.answer(wire.PART, number, written)
        return taken

    async def _until_taken(self, sent: asyncio.Future[bool]) -> None:
        """The response must not be written over before; a cancellation changes nothing about that."""
        both: list[asyncio.Future[Any]] = [sent, self._ended]
        while not any(each.done() for each in both):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
