"""The open calls of one channel: sent, answered, abandoned; how a caller waits is in the subclasses."""

from __future__ import annotations

import socket
from abc import abstractmethod

from pytriton_plugins.errors import ModelCallError, ProtocolError
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.calls import Result
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.worker.nested.memory import CallMemory
from pytriton_plugins.worker.nested.open_call import OpenCall
from pytriton_plugins.worker.nested.repeats import Answer
from pytriton_plugins.worker.nested.request import CallRequest
from pytriton_plugins.worker.nested.results import Outputs, ResultReader, error_of, outputs_of
from pytriton_plugins.worker.nested.sender import RequestSegment, Sender


class Exchange(Sender):
    """Sends calls and takes their results; all of it with the lock held, where other threads may call too."""

    def __init__(self, sock: socket.socket, memory: CallMemory, requests: RequestSegment) -> None:
        super().__init__(sock, memory, requests)
        self._results = ResultReader()
        self._has_begun = False

    @property
    def is_active(self) -> bool:
        """Whether the running batch may call models."""
        return self._caller is not None

    def begin(self, batch: int, caller: object) -> None:
        """Calls belong to this batch from now on."""
        self._batch, self._caller = batch, caller
        self._has_begun = True

    def end_batch(self) -> None:
        """The calls of the batch have ended, and only the callable can still refer to results."""
        if self._has_begun:
            self._has_begun = False
            self._memory.end_batch()

    @property
    def segment(self) -> Segment | None:
        """The call segment, which the backend has if a result is in it; None if there is none."""
        return self._memory.segment

    def close(self) -> None:
        """The channel has ended: release the memory.

        While another thread of the callable still calls, nothing is done: the garbage collector releases it later.
        """
        if self.is_forked or not self._lock.acquire(blocking=False):
            return
        try:
            self._caller = None
            self._memory.close()
        finally:
            self._lock.release()

    def trim(self) -> None:
        """Give the memory back to the system; no call is open."""
        self._memory.trim()

    @abstractmethod
    def call(self, request: CallRequest) -> Outputs:
        """The response; raises ModelCallError, and RuntimeError once the batch is answered."""

    @abstractmethod
    async def call_async(self, request: CallRequest) -> Outputs:
        """The same for ``await``."""

    @abstractmethod
    def open_stream(self, request: CallRequest) -> OpenCall:
        """Send a call with any number of responses; raises as `call` does."""

    @abstractmethod
    async def open_stream_async(self, request: CallRequest) -> OpenCall:
        """The same for ``await``."""

    @abstractmethod
    def next_response(self, call: OpenCall) -> Outputs | None:
        """The next response of a stream; None at its end. Raises as `call` does."""

    @abstractmethod
    async def next_response_async(self, call: OpenCall) -> Outputs | None:
        """The same for ``await``."""

    def _take(self, call: OpenCall) -> Outputs | None:
        """The response that has come; None for the end. Raises ModelCallError."""
        outputs, call.outputs = call.outputs, None
        if outputs is None and call.error is not None:
            raise call.take_error()
        return outputs

    def _ask_next(self, call: OpenCall) -> None:
        """Give a stream memory for its next response, if it has none. Raises RuntimeError."""
        request = call.request
        self.check(request.caller)
        if not call.has_news() and not call.region.in_call and not call.abandoned:
            self._give_room(call, request.target.size(request.options.outputs))

    def _on_result(self, flags: int, number: int, payload: bytes) -> None:
        """Take a RESULT; raises ProtocolError."""
        call = self._open.get(number)
        if call is None:
            raise ProtocolError(f"channel: a result of call {number}, which is not open")
        if flags == wire.FINAL and (answer := call.region.answers.get(payload)) is not None and self._is_wanted(call):
            self._on_equal_response(call, answer)
            return
        result = self._results.read(payload)
        if flags & wire.NO_ROOM:
            self._on_no_room(call, result.needed)
        else:
            self._on_response(call, result, payload)
        if flags & wire.FINAL:
            self._on_end(call, is_usable=not flags & wire.LINGERS)
        elif not flags & wire.NO_ROOM and not call.streams and call.outputs is not None:
            call.outputs = None
            self._fail(call, no_single_response(call.request))
        if call.has_news():
            self._wake(call)

    def _on_no_room(self, call: OpenCall, needed: int) -> None:
        if call.region is not call.first:
            call.region.release()
        if not call.abandoned:
            self._give_room(call, needed)

    def _is_wanted(self, call: OpenCall) -> bool:
        """Whether the response becomes views of the region."""
        return not (call.streams or call.abandoned or call.error is not None or self._memory.copies)

    def _on_equal_response(self, call: OpenCall, answer: Answer) -> None:
        """Take a response that equals an earlier one in the same region."""
        region, request = call.region, call.request
        call.outputs = answer.outputs()
        if answer.full != region.end:
            request.target.learn(request.options.outputs, answer.size)
        region.release(answer.end)
        self._on_end(call, is_usable=True)
        if call.waiter is not None:
            self._wake(call)

    def _on_response(self, call: OpenCall, result: Result, payload: bytes) -> None:
        target, region, kept = call.request.target, call.region, 0
        if result.code:
            call.error = call.error or error_of(result, target.name)
        elif result.response and not call.abandoned:
            call.outputs, kept = outputs_of(result, region, copies=self._memory.copies)
            used = max((output.offset + output.length for output in result.outputs), default=0) - region.area
            used = max(used, wire.ALIGNMENT)
            target.learn(call.request.options.outputs, used)
            if self._is_wanted(call) and all(array.base is region.bytes for array in call.outputs.values()):
                region.add_answer(payload, Answer(call.outputs, region, kept, used))
        region.release(kept)

    def _on_end(self, call: OpenCall, *, is_usable: bool) -> None:
        del self._open[call.number]
        call.ended = True
        call.held = None
        if call.first.in_call:
            call.first.release()
        if call.region.in_call:
            call.region.release()
        if not is_usable:
            self._memory.retire()
        if self._lacking:
            self._give_rooms()
        self._wake_turn()

    def _give_rooms(self) -> None:
        lacking, self._lacking = self._lacking, []
        for other, size in lacking:
            if not other.ended and not other.abandoned:
                self._give_room(other, size)


def no_single_response(request: CallRequest) -> ModelCallError:
    """The error of a call that does not stream, of a model that did not answer with one response."""
    return request.target.error("UNSUPPORTED", "it answered with no response, or with several; use .stream(…)")
