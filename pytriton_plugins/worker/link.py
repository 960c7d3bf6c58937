"""The worker's end of the worker link: one thread reads it, any thread may send; runs in the worker."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
from typing import Any, NamedTuple

from pytriton_plugins.errors import ProtocolError, ShmError
from pytriton_plugins.shm.long import receive_json, send_json
from pytriton_plugins.shm.segment import Segment

ANSWER_TIMEOUT = 5.0


class Offer(NamedTuple):
    """A channel that the host gives to this worker: its socket and the first response segment."""

    sock: socket.socket
    segment: Segment


class WorkerLink:
    """Messages from and to the host; the end of the link ends the process."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._send_lock = threading.Lock()
        self._orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._offers: queue.SimpleQueue[Offer | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[int, Segment | str]] = queue.SimpleQueue()
        self._token = 0
        self._needing = threading.Lock()
        self._open: set[socket.socket] = set()
        """The channels that are served."""
        self._open_lock = threading.Lock()
        self.stopping = False
        self._told_end = False
        """Also where there is nobody to tell: in a child that the callable forked."""
        threading.Thread(target=self._read, name="pytriton-link", daemon=True).start()

    def tell(self, kind: str, **content: Any) -> None:
        """Send one message to the host; raises ProtocolError when it is too long."""
        with self._send_lock:
            send_json(self._sock, {"type": kind, **content})

    def tell_end(self, reason: str) -> bool:
        """Tell the host why this process is about to end; whether it is the first to be told."""
        if self._told_end:
            return False
        self._told_end = True
        with contextlib.suppress(OSError):  # the host is gone
            self.tell("ends", reason=reason)
        return True

    def next_order(self) -> dict[str, Any]:
        """Wait for ``serve``."""
        return self._orders.get()

    def next_offer(self) -> Offer | None:
        """Wait for a channel; None, to every slot that waits, when the host says stop."""
        offer = self._offers.get()
        if offer is None:
            self._offers.put(None)
            return None
        with self._open_lock:
            self._open.add(offer.sock)
        if self.stopping:
            self._wake()
        return offer

    def closed(self, sock: socket.socket) -> None:
        """The channel is served no longer."""
        with self._open_lock:
            self._open.discard(sock)

    def close_in_child(self) -> None:
        """A child that the callable forks must hold no link and no channel: by their ends others learn of ours."""
        self._told_end = True
        for sock in (self._sock, *self._open):
            sock.close()

    def need_segment(self, size: int, replaced: int) -> Segment:
        """A response segment of ``size`` bytes or more in place of ``replaced``; raises ShmError with the reason."""
        with self._needing:  # one slot asks at a time
            return self._answered(size, replaced)

    def _answered(self, size: int, replaced: int) -> Segment:
        self._token += 1
        self.tell("need", token=self._token, bytes=size, segment=replaced)
        while True:
            try:
                token, answer = self._answers.get(timeout=ANSWER_TIMEOUT)
            except queue.Empty:
                raise ShmError(f"{size} bytes of shared memory were not granted in time") from None
            if token != self._token:  # the late answer to a question that was given up
                if isinstance(answer, Segment):
                    os.close(answer.unsent)
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
            os._exit(1)  # without its host a worker serves nobody; a callable may never return

    def _dispatch(self, message: dict[str, Any], descriptors: list[int]) -> None:
        kind = message["type"]
        if kind == "serve":
            self._orders.put(message)
        elif kind == "channel":
            channel, segment = descriptors
            self._offers.put(Offer(socket.socket(fileno=channel), _mapped(message["segment"], segment)))
        elif kind == "ping":
            self.tell("pong")
        elif kind == "segment":
            self._answers.put((message["token"], _mapped(message["segment"], descriptors[0])))
        elif kind == "refused":
            self._answers.put((message["token"], message["message"]))
        elif kind == "finish":
            self._offers.put(None)
        elif kind == "stop":
            self.stopping = True
            self._offers.put(None)
            self._wake()
        else:
            raise ProtocolError(f"worker link: a message of type {kind!r}")

    def _wake(self) -> None:
        with self._open_lock:
            for sock in self._open:
                with contextlib.suppress(OSError):  # the channel ended by itself
                    sock.shutdown(socket.SHUT_RDWR)


def _mapped(number: int, descriptor: int) -> Segment:
    # The descriptor is kept: the backend gets it with the message that first names the segment.
    segment = Segment(number, descriptor, writable=True)
    segment.unsent = descriptor
    return segment
