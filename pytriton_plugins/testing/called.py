"""The called models of a test: answers CALL messages as the backend does, from callables instead of Triton."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from pytriton_plugins.model.tensors import BYTES, NUMERIC, bfloat16
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import read_array
from pytriton_plugins.shm.calls import Call
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.shm.sockets import send
from pytriton_plugins.testing.call_blocks import pack_error, pack_no_room, pack_result, unpack_call
from pytriton_plugins.testing.callees import CalleeError, Callees

Array = NDArray[Any]
_DTYPES = {dtype.code: dtype for dtype in (*NUMERIC, BYTES)}
_CALL_KINDS = (wire.CALL, wire.ROOM, wire.ABANDON)


class CallEnd:
    """The backend's end of the calls of one channel; each call runs in a thread of its own."""

    def __init__(self, sock: socket.socket, callees: Callees) -> None:
        self._sock = sock
        self._callees = callees
        self._segments: dict[int, Segment] = {}
        self.segment: Segment | None = None
        """The call segment that the channel has now."""
        self._open: dict[int, _Running] = {}
        self._lock = threading.Lock()
        self.calls: list[Call] = []
        """Those that were read."""

    def takes(self, message: wire.ChannelMessage) -> bool:
        """Whether the message is about a call."""
        return message.kind in _CALL_KINDS

    def handle(
        self, message: wire.ChannelMessage, payload: bytes, descriptors: list[int], request: Segment | None
    ) -> None:
        """Take a CALL, ROOM or ABANDON; ``request`` is the segment with the batch."""
        for descriptor in descriptors:
            self.segment = Segment(message.segment, descriptor, writable=True)
            self._segments[message.segment] = self.segment
            os.close(descriptor)
        number = message.offset
        if message.kind == wire.CALL:
            segment = self._segments[message.segment]
            running = self._open[number] = _Running(self, message.batch, number, unpack_call(payload))
            self.calls.append(running.call)
            running.start(segment, request)
        elif (found := self._open.get(number)) is not None:
            if message.kind == wire.ROOM:
                found.room(self._segments[message.segment], wire.CALL_ROOM.unpack(payload))
            else:
                found.abandon()

    def responses(self, call: Call, inputs: dict[str, Array]) -> Iterator[Mapping[str, Array]]:
        """What the called model answers; raises CalleeError."""
        return self._callees.responses(call, inputs)

    def send(self, running: _Running, flags: int, payload: bytes) -> None:
        """Send a RESULT, unless the call has ended."""
        with self._lock:
            if running.number not in self._open:
                return
            if flags & wire.FINAL:
                del self._open[running.number]
            head = wire.CHANNEL_MESSAGE.pack(wire.RESULT, flags, 0, 0, running.batch, running.number, len(payload))
            try:
                send(self._sock, head + payload)
            except OSError:
                self._open.clear()  # the worker's loop has ended


class _Running:
    """One open call."""

    def __init__(self, end: CallEnd, batch: int, number: int, call: Call) -> None:
        self.batch = batch
        self.number = number
        self.call = call
        self._end = end
        self._rooms = threading.Semaphore(1)
        self._room: tuple[Segment, int, int] | None = None
        self._is_abandoned = False

    def start(self, segment: Segment, request: Segment | None) -> None:
        self._room = (segment, *self.call.area)
        inputs = {each.name: _input(each, request if each.place else segment) for each in self.call.inputs}
        threading.Thread(target=self._run, args=(inputs,), daemon=True).start()

    def room(self, segment: Segment, area: tuple[int, int]) -> None:
        self._room = (segment, *area)
        self._rooms.release()

    def abandon(self) -> None:
        self._is_abandoned, self._room = True, None
        self._end.send(self, wire.FINAL, pack_error("CANCELLED", "the call was cancelled"))
        self._rooms.release()

    def _run(self, inputs: dict[str, Array]) -> None:
        streams = bool(self.call.flags & wire.CALL_STREAM)
        try:
            responses = [*self._end.responses(self.call, inputs)] if not streams else None
            if responses is not None and len(responses) != 1:
                several = f"{len(responses)} responses" if responses else "no response"
                raise CalleeError("UNSUPPORTED", f"it answered with {several}; use .stream(…)")
            for outputs in responses or self._end.responses(self.call, inputs):
                self._respond(outputs, is_last=not streams)
                if self._is_abandoned:
                    return
        except CalleeError as error:
            self._end.send(self, wire.FINAL, pack_error(error.code, error.message))
        except BaseException as error:
            self._end.send(self, wire.FINAL, pack_error("INTERNAL", f"{type(error).__name__}: {error}"))
        else:
            if streams:
                self._end.send(self, wire.FINAL, pack_result((), 0))

    def _respond(self, outputs: Mapping[str, Array], *, is_last: bool) -> None:
        while (room := self._next_room()) is not None:
            segment, at, size = room
            packed, data = pack_outputs(outputs, at)
            if len(data) <= size:
                segment.view[at : at + len(data)] = data
                self._end.send(self, wire.FINAL if is_last else 0, packed)
                return
            self._end.send(self, wire.NO_ROOM, pack_no_room(len(data)))

    def _next_room(self) -> tuple[Segment, int, int] | None:
        """The memory for a response; None once the call is abandoned."""
        self._rooms.acquire()
        room, self._room = self._room, None
        return room


def pack_outputs(outputs: Mapping[str, Array], at: int) -> tuple[bytes, bytes]:
    """The payload of a RESULT whose outputs begin at ``at``, and the bytes of the outputs."""
    data, entries = b"", []
    for name, array in outputs.items():
        code, packed = _packed(array)
        data += b"\0" * (-len(data) % wire.ALIGNMENT)
        entries.append((name, code, array.shape, at + len(data), len(packed)))
        data += packed
    return pack_result(entries, 1), data


def _packed(array: Array) -> tuple[int, bytes]:
    if array.dtype == object:
        items = [item.encode() if isinstance(item, str) else item for item in array.ravel().tolist()]
        return BYTES.code, b"".join(len(item).to_bytes(4, "little") + item for item in items)
    found = next((dtype.code for dtype in (*NUMERIC, bfloat16()) if dtype.numpy == array.dtype), 0)
    return found, array.tobytes()


def _input(each: Any, segment: Segment | None) -> Array:
    assert segment is not None
    dtype = _DTYPES.get(each.dtype) or bfloat16()
    entry = wire.TensorEntry(0, each.dtype, 0, 1, each.offset, each.length, each.dims)
    array: Array = read_array(segment, entry, dtype).copy()
    return array
