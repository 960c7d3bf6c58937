"""The worker's end of the worker link: one thread reads it, any thread may send."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
import weakref
from typing import Any

from pytriton_plugins.errors import ProtocolError, ShmError
from pytriton_plugins.shm.long import receive_json, send_json
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.text.exceptions import is_a
from pytriton_plugins.worker.calling.errors import ENDS, end_reason

SEGMENT_TIMEOUT = 5.0
"""Seconds that the daemon has to answer a request for a segment."""


class ChannelOffer:
    """A channel that the daemon gives to this worker: its socket and the first response segment."""

    def __init__(self, number: int, sock: socket.socket, segment: Segment) -> None:
        """``number``: the channel's, as the daemon counts them."""
        self.number = number
        self.sock = sock
        self._segment: Segment | None = segment

    def take_segment(self) -> Segment:
        """The segment, once: the offer lives as long as the channel, and a larger segment may replace this one."""
        segment, self._segment = self._segment, None
        assert segment is not None
        return segment

    def close(self) -> None:
        """Close an offer that is not served."""
        self.sock.close()
        self.take_segment().close_unsent()


class WorkerLink:
    """Messages from and to the daemon; the end of the link ends the process (a subclass has another `_on_end`)."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._send_lock = threading.Lock()
        self._orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._offers: queue.SimpleQueue[ChannelOffer | None] = queue.SimpleQueue()
        self._segments: queue.SimpleQueue[tuple[int, Segment | str]] = queue.SimpleQueue()
        """Answers to requests for segments: the token, and the segment or the reason why there is none."""
        self._mapped: weakref.WeakSet[Segment] = weakref.WeakSet()
        """Those that the daemon gave, as long as they are used."""
        self._token = 0
        self._segment_lock = threading.Lock()
        self._open: set[socket.socket] = set()
        """The channels that are served."""
        self._open_lock = threading.Lock()
        self.stopping = False
        self._end_is_reported = False
        """Also true in a child that the callable forked: it has no link."""
        threading.Thread(target=self._read, name="pytriton-link", daemon=True).start()

    def send(self, kind: str, **content: Any) -> None:
        """Send one message to the daemon; raises ProtocolError when it is too long."""
        with self._send_lock:
            send_json(self._sock, {"type": kind, **content})

    def report_end(self, reason: str) -> bool:
        """Tell the daemon why this process is about to end; False if a reason was reported before."""
        if self._end_is_reported:
            return False
        self._end_is_reported = True
        with contextlib.suppress(OSError):  # the daemon has ended
            self.send("ends", reason=reason)
        return True

    def next_order(self) -> dict[str, Any]:
        """Wait for ``serve``."""
        return self._orders.get()

    def next_offer(self) -> ChannelOffer | None:
        """Wait for a channel; None, in every slot that waits, when the daemon stops the worker."""
        offer = self._offers.get()
        if offer is None:
            self._offers.put(None)
            return None
        with self._open_lock:
            self._open.add(offer.sock)
        if self.stopping:
            self._shut_down_channels()
        return offer

    def channel_closed(self, offer: ChannelOffer, error: BaseException | None) -> bool:
        """The channel of ``offer`` is not served any more, because of ``error``; whether the slot waits for the next.

        The server may have ended while a batch ran here: then the daemon offers a channel to the next server.
        """
        continues = error is not None and self._is_survived(error)
        with self._open_lock:
            self._open.discard(offer.sock)
        return continues

    def _is_survived(self, error: BaseException) -> bool:
        if is_a(error, BrokenPipeError, ConnectionResetError):
            return True
        if is_a(error, Exception, *ENDS):
            self.report_end(end_reason(error, "the worker"))  # before the channel's end is seen
        return False

    def close_in_child(self) -> None:
        """Close link and channels in a child that the callable forked: their ends tell others that the worker ended."""
        self._end_is_reported = True
        # Another thread, which the child does not have, may have held the old ones.
        self._send_lock, self._segment_lock, self._open_lock = (threading.Lock() for _ in range(3))
        for sock in (self._sock, *self._open):
            sock.close()
        for segment in list(self._mapped):
            segment.close_unsent()

    def request_segment(self, size: int, replaced: int) -> Segment:
        """A response segment of ``size`` bytes or more in place of ``replaced``; raises ShmError with the reason."""
        return self._request(bytes=size, segment=replaced)

    def request_call_segment(self, size: int, replaced: int) -> Segment:
        """A call segment; ``replaced``: the one before, or for the first one the channel's response segment."""
        return self._request(bytes=size, segment=replaced, call=True)

    def _request(self, **content: Any) -> Segment:
        with self._segment_lock:  # one slot at a time
            self._token += 1
            self.send("need", token=self._token, **content)
            return self._wait_segment(content["bytes"])

    def _wait_segment(self, size: int) -> Segment:
        while True:
            try:
                token, answer = self._segments.get(timeout=SEGMENT_TIMEOUT)
            except queue.Empty:
                raise ShmError(
                    f"shared memory: no answer to the request for {size} bytes within {SEGMENT_TIMEOUT:g} s"
                ) from None
            if token != self._token:  # the late answer to a request that timed out
                if isinstance(answer, Segment):
                    answer.close_unsent()
                continue
            if isinstance(answer, str):
                raise ShmError(answer)
            return answer

    def _read(self) -> None:
        try:
            while True:
                message, descriptors = receive_json(self._sock)
                if message is None:
                    break
                self._dispatch(message, descriptors)
        finally:
            self._on_end()

    def _on_end(self) -> None:
        """Without a daemon a worker has no work, and a callable may never return."""
        os._exit(1)

    def _dispatch(self, message: dict[str, Any], descriptors: list[int]) -> None:
        kind = message["type"]
        if kind == "serve":
            self._orders.put(message)
        elif kind == "channel":
            channel, segment = descriptors
            sock = socket.socket(fileno=channel)
            self._offers.put(ChannelOffer(message["channel"], sock, self._map(message["segment"], segment)))
        elif kind == "ping":
            self.send("pong")
        elif kind == "segment":
            self._segments.put((message["token"], self._map(message["segment"], descriptors[0])))
        elif kind == "refused":
            self._segments.put((message["token"], message["message"]))
        elif kind == "finish":
            self._offers.put(None)
        elif kind == "stop":
            self.stopping = True
            self._offers.put(None)
            self._shut_down_channels()
        else:
            raise ProtocolError(f"worker link: unknown message type {kind!r}")

    def _shut_down_channels(self) -> None:
        with self._open_lock:
            for sock in self._open:
                with contextlib.suppress(OSError):  # the channel ended by itself
                    sock.shutdown(socket.SHUT_RDWR)

    def _map(self, number: int, descriptor: int) -> Segment:
        # The descriptor stays open: the backend gets it with the first message that names the segment.
        segment = Segment(number, descriptor, writable=True)
        segment.unsent = descriptor
        self._mapped.add(segment)
        return segment
