"""The worker link of an attached callable: its end is an error of the handle, and never the end of the process."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from pytriton_plugins.text.exceptions import is_a
from pytriton_plugins.worker.link import ChannelOffer, WorkerLink
from pytriton_plugins.worker.log import report

END: dict[str, Any] = {"type": "end"}
"""In the place of an order: the link has ended."""

_links: weakref.WeakSet[AttachedLink] = weakref.WeakSet()


class AttachedLink(WorkerLink):
    """Messages from and to the daemon, and how far the attachment is."""

    def __init__(self, sock: socket.socket, daemon: int, when_ended: Callable[[], None] = lambda: None) -> None:
        """``daemon``: the process id of the daemon. ``when_ended`` is called in a thread of the link."""
        self.daemon = daemon
        self._when_ended = when_ended
        self.serving = threading.Event()
        """The model is served, or it will never be: then ``ended``."""
        self.accepted = threading.Event()
        """The daemon has checked the declaration, or ``ended``."""
        self.ended = threading.Event()
        self.served = False
        self.reason = ""
        """Why the daemon ended it; empty while it serves, after an end that was asked for, and after a crash."""
        self.leaving = False
        """The daemon has said that it ends."""
        self.was_asked_to_end = False
        """This process has removed it."""
        _links.add(self)
        super().__init__(sock)

    def leave(self) -> None:
        """Ask the daemon to end it in order. A second call does nothing."""
        if self.was_asked_to_end or self.ended.is_set():
            return
        self.was_asked_to_end = True
        with contextlib.suppress(OSError):  # it has ended
            self.send("leave")

    def close(self) -> None:
        """End the link; the daemon forgets the callable."""
        with contextlib.suppress(OSError):  # it has ended
            self._sock.shutdown(socket.SHUT_RDWR)

    def channel_closed(self, offer: ChannelOffer, error: BaseException | None) -> bool:
        """The channel is not served any more; the slot waits for the next one, whatever the error was."""
        super().channel_closed(offer, error)
        with contextlib.suppress(OSError):  # the daemon has ended
            self.send("free", channel=offer.number)
        return True

    def report_end(self, reason: str) -> bool:
        """Nothing ends: the process is not ours."""
        return True

    def close_in_child(self) -> None:
        """Close everything that leads to the daemon and its tritonserver, in a child that the program forked."""
        if not hasattr(self, "_offers"):  # not made yet
            return
        super().close_in_child()
        # New ones: another thread may have held the locks of these when the process was forked.
        self.ended = self.serving = self.accepted = _set_event()
        for offer in _drained(self._offers):
            offer.close()
        self._offers = queue.SimpleQueue()
        self._offers.put(None)  # a callable that forks and returns in the child too serves nothing there

    def _is_survived(self, error: BaseException) -> bool:
        if not is_a(error, BrokenPipeError, ConnectionResetError):
            report(logging.ERROR, "an attached callable: a batch was lost", error=error)
        return True

    def _dispatch(self, message: dict[str, Any], descriptors: list[int]) -> None:
        if message["type"] == "serving":
            self.served = True
            self.serving.set()
        elif message["type"] == "rejected":
            self.reason = str(message["message"])
        else:
            if message["type"] == "serve":
                self.accepted.set()
            super()._dispatch(message, descriptors)
            if message["type"] == "stop":
                self.leaving = True
                self.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the daemon has ended
            super()._read()

    def _on_end(self) -> None:
        self.stopping = True
        self.ended.set()
        self.serving.set()
        self.accepted.set()
        self._orders.put(END)
        self._offers.put(None)
        self._segments.put((self._token, "the daemon has ended"))
        self._shut_down_channels()
        self._sock.close()
        self._when_ended()


def _set_event() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def _drained(offers: queue.SimpleQueue[ChannelOffer | None]) -> Iterator[ChannelOffer]:
    with contextlib.suppress(queue.Empty):
        while True:
            if (offer := offers.get_nowait()) is not None:
                yield offer


def _close_in_child() -> None:
    for link in list(_links):
        link.close_in_child()


os.register_at_fork(after_in_child=_close_in_child)
