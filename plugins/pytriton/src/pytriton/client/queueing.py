"""Requests that wait for their turn, in the order in which they came; one thread starts them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Protocol, TypeVar

import attrs

from pytriton.client.calls import Call, Outputs
from pytriton.client.exceptions import PyTritonClientClosedError, PyTritonClientQueueFullError

Answer = TypeVar("Answer")


class Sender(Protocol):
    """What sends the requests; each method raises PyTritonClientError."""

    def prepare(self) -> object:
        """Wait until requests can be sent."""
        ...

    def begin(self, call: Call) -> Future[Any]:
        """Send a request."""
        ...

    def finish(self, call: Call, response: Future[Any]) -> Outputs:
        """The outputs in a response."""
        ...

    def end(self) -> None:
        """Runs after the last call."""
        ...


@attrs.frozen(eq=False)
class Waiting:
    """A call, and the future that its caller has."""

    call: Call
    future: Future[Outputs] = attrs.field(factory=Future)

    def fail(self, error: Exception) -> None:
        """End the future with an error."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


def settle(future: Future[Answer], answer: Callable[[], Answer]) -> None:
    """End the future with what ``answer`` returns or raises; a cancelled one stays cancelled."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(answer())
    except BaseException as error:
        future.set_exception(error)


class RequestQueue:
    """At most ``running`` calls are sent at once, and ``waiting`` more have a place; None is unlimited."""

    def __init__(self, sender: Sender, running: int | None, waiting: int | None) -> None:
        self._sender = sender
        self._turns = None if running is None else threading.Semaphore(running)
        self._places = None if running is None or waiting is None else threading.Semaphore(running + waiting)
        self._calls: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._lock, self._is_closed = threading.Lock(), False
        self._sent: set[Future[Outputs]] = set()
        self._thread = threading.Thread(target=self._run, name="pytriton-futures", daemon=True)
        self._thread.start()

    def put(self, call: Call, *, block: bool) -> Future[Outputs]:
        """Add a call, after waiting for a place if ``block``; raises PyTritonClientQueueFullError otherwise."""
        self.check_open()
        if self._places and not self._places.acquire(block):
            raise PyTritonClientQueueFullError("queue full; wait for a future, or pass a larger max_queue_size")
        waiting = Waiting(call)
        waiting.future.add_done_callback(self._free_place)
        try:
            with self._lock:
                self.check_open()
                self._calls.put(waiting)
        except PyTritonClientClosedError as error:
            waiting.fail(error)  # its place goes to the next that waits for one
            raise
        return waiting.future

    def check_open(self) -> None:
        """Raise PyTritonClientClosedError where nothing runs the calls: also in a forked child."""
        if self._is_closed or not self._thread.is_alive():
            raise PyTritonClientClosedError("FuturesModelClient: closed, or of another process; make another one")

    def close(self) -> None:
        """Take no more calls; those that wait run on."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._calls.put(None)

    def join(self) -> None:
        """Wait for the last call."""
        self._thread.join()

    def _run(self) -> None:
        while (waiting := self._calls.get()) is not None:
            if self._turns:
                self._turns.acquire()
            self._start(waiting)
        wait(set(self._sent))
        self._sender.end()

    def _start(self, waiting: Waiting) -> None:
        if waiting.future.cancelled():
            self._free_turn()
            waiting.future.set_running_or_notify_cancel()  # wakes those who wait for it
            return
        try:
            self._sender.prepare()
        except Exception as error:
            self._fail_all(waiting, error)
            return
        try:
            response = self._sender.begin(waiting.call)
        except Exception as error:
            self._free_turn()
            waiting.fail(error)
            return
        self._follow(waiting, response)

    def _follow(self, waiting: Waiting, response: Future[Any]) -> None:
        self._sent.add(waiting.future)
        waiting.future.add_done_callback(lambda done: response.cancel() if done.cancelled() else None)

        def answered(response: Future[Any]) -> None:
            self._free_turn()
            settle(waiting.future, lambda: self._sender.finish(waiting.call, response))
            self._sent.discard(waiting.future)

        response.add_done_callback(answered)

    def _fail_all(self, first: Waiting, error: Exception) -> None:
        """The model is not there: so it is for all that wait, which are not made to wait one after the other."""
        self._free_turn()
        first.fail(error)
        for _ in range(self._calls.qsize()):
            waiting = self._calls.get()
            if waiting is None:
                self._calls.put(None)
            else:
                waiting.fail(error)

    def _free_turn(self) -> None:
        if self._turns:
            self._turns.release()

    def _free_place(self, _: object) -> None:
        if self._places:
            self._places.release()
