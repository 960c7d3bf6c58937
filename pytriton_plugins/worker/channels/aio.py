"""Serves channels with a callable that is awaited, all of them in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

from pytriton_plugins.shm import wire
from pytriton_plugins.text.exceptions import is_a
from pytriton_plugins.worker.blocks.response_template import BlockPosition
from pytriton_plugins.worker.calling.batch import Batch
from pytriton_plugins.worker.calling.errors import Cancelled, RequestFailure, cancellation
from pytriton_plugins.worker.channels.base import RECEIVE_SIZE
from pytriton_plugins.worker.channels.stream import StreamServer

if TYPE_CHECKING:
    from pytriton_plugins.worker.nested.exchange import Exchange
    from pytriton_plugins.worker.nested.memory import CallMemory
    from pytriton_plugins.worker.nested.tasks import TaskExchange

_RESULT = wire.RESULT.to_bytes(4, "little")


class AsyncServer(StreamServer):
    """Serves one channel, one batch at a time; the event loop runs the batches of other channels meanwhile."""

    _task: asyncio.Task[None] | None = None
    _tasks: TaskExchange | None = None
    _is_unwanted = False
    """Whether all requests of the batch are cancelled."""
    _taken: asyncio.Future[bool] | None = None

    async def serve(self) -> None:
        """Answer batches until the channel ends."""
        self._loop = loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
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
            data = self.read(RECEIVE_SIZE if self._tasks is None else wire.MAX_MESSAGE + 1)
            if self._tasks is not None and data[:4] == _RESULT:
                self._tasks.take(data)
            elif (message := self.received(data)) is None:
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
            self.handle_idle_message(message.kind, message.segment)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._finish(error)

    def _finish(self, error: BaseException | None) -> None:
        if self._tasks is not None:
            self._tasks.channel_ended()
        if self._ended.done():
            return
        if error is None or is_a(error, BrokenPipeError, ConnectionResetError):
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)

    async def _run(self, message: wire.ChannelMessage) -> None:
        position = await self._answer(message)
        if self._is_unwanted:
            # Until the next step asyncio holds the error by which it cancelled, and with that the callable's frames.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        if self._tasks is not None and self._tasks.is_active:
            await self._tasks.end()
        if not self._ended.done():
            self.answer(wire.DONE, message.batch, position)

    async def _answer(self, message: wire.ChannelMessage) -> BlockPosition:
        # A coroutine of its own: when it returns, only the callable can still refer to the batch's arrays.
        plan = self._reader.plan(message.segment, message.offset, message.length)
        finish = self.begin(plan.rows)
        batch = self._reader.batch(plan, self.new_state(plan))
        position = await self._answer_batch(message.batch, batch)
        if batch.state is not None:
            batch.state.close()
        finish()
        return position

    def _new_exchange(self, memory: CallMemory) -> Exchange:
        from pytriton_plugins.worker.nested.tasks import TaskExchange

        self._tasks = TaskExchange(self._sock, memory, self._reader, self._loop, self._thread)
        return self._tasks

    def close(self) -> None:
        """As in `ChannelServer`."""
        super().close()
        self._tasks = None

    async def _answer_batch(self, number: int, batch: Batch) -> BlockPosition:
        return self.write(batch, await self._runner.run_async(batch, lambda: self._is_unwanted))


class AsyncStreamServer(AsyncServer):
    """Serves one channel with an async generator: one response for each yield."""

    async def _answer_batch(self, number: int, batch: Batch) -> BlockPosition:
        return self.write_end(batch, await self._stream(number, batch))

    async def _stream(self, number: int, batch: Batch) -> RequestFailure | None:
        failure = None
        taken: asyncio.Future[bool] | None = None
        try:
            async with contextlib.aclosing(self._callable(**self._runner.arguments.build(batch))) as results:
                async for result in results:
                    # A cancellation must not end the future: it still tells when the backend has taken the part.
                    if taken is not None and not await asyncio.shield(taken):
                        raise Cancelled
                    taken = self._send(number, batch, result)
        except asyncio.CancelledError as error:
            failure = self._runner.failure(cancellation(error, is_unwanted=self._is_unwanted))
        except BaseException as error:
            failure = self._runner.failure(error)
        if taken is not None:
            await self._wait_taken(taken)
        return failure

    def _send(self, number: int, batch: Batch, result: Any) -> asyncio.Future[bool]:
        position = self.write_part(batch, result)
        self._taken = taken = asyncio.get_running_loop().create_future()
        self.answer(wire.PART, number, position)
        return taken

    async def _wait_taken(self, taken: asyncio.Future[bool]) -> None:
        """Wait until the response may be overwritten; a cancellation does not end the wait."""
        both: list[asyncio.Future[Any]] = [taken, self._ended]
        while not any(each.done() for each in both):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
