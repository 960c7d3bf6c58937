"""Gives each channel that the host offers to one of the worker's slots; runs in the worker."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.text.exceptions import code_of, is_a
from pytriton_plugins.worker.calling.errors import ENDS, ended_by
from pytriton_plugins.worker.channels.base import Slot
from pytriton_plugins.worker.link import Offer, WorkerLink
from pytriton_plugins.worker.log import report


def server_class(declaration: ModelDeclaration, *, observed: bool) -> type[Slot]:
    """What serves a channel of this model."""
    if declaration.is_async:
        from pytriton_plugins.worker.channels.aio import AsyncServer, AsyncStreamServer

        return AsyncStreamServer if declaration.streams else AsyncServer
    if declaration.streams:
        from pytriton_plugins.worker.channels.stream import StreamServer

        return StreamServer
    from pytriton_plugins.worker.channels.sync import ChannelServer, ObservedServer

    return ObservedServer if observed else ChannelServer


def serve_in_threads(link: WorkerLink, slots: int, new_server: Callable[[Offer], Any]) -> None:
    """Serve ``slots`` channels at once, one in this thread and each other one in its own, until the host says stop."""
    others = [threading.Thread(target=_serve_or_end, args=(link, new_server), daemon=True) for _ in range(slots - 1)]
    for other in others:
        other.start()
    _serve_offers(link, new_server)
    for other in others:
        other.join()


def _serve_offers(link: WorkerLink, new_server: Callable[[Offer], Any]) -> None:
    while (offer := link.next_offer()) is not None:
        with _Served(link, offer):
            new_server(offer).serve()


def _serve_or_end(link: WorkerLink, new_server: Callable[[Offer], Any]) -> None:
    """In the main thread what ends a slot ends the worker, so it must in others."""
    try:
        _serve_offers(link, new_server)
    except ENDS as error:  # logged by the call
        if is_a(error, SystemExit) and not isinstance(code_of(error), (int, type(None))):
            with contextlib.suppress(BaseException):  # their __str__, their stream
                sys.stderr.write(f"{code_of(error)}\n")
        os._exit(exit_code(error))
    except BaseException as error:
        report(logging.CRITICAL, "a slot failed; this worker ends", error=error)
        os._exit(1)


def exit_code(error: BaseException) -> int:
    """The exit code of a process that ends with ``error``, as Python has it, and as a shell has it for Ctrl-C."""
    if is_a(error, SystemExit):
        code = code_of(error)
        return int.__and__(code, 0xFF) if isinstance(code, int) else 0 if code is None else 1
    return 128 + signal.SIGINT if is_a(error, KeyboardInterrupt) else 1


class _Served(contextlib.AbstractContextManager[None]):
    """The channel while it is served: closed after that, and in children that the callable forks."""

    def __init__(self, link: WorkerLink, offer: Offer) -> None:
        self._link = link
        self._sock = offer.sock

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        # The server went while a batch was with us: the host offers a channel to the next one.
        goes_on = error is not None and is_a(error, BrokenPipeError, ConnectionResetError)
        if error is not None and not goes_on and is_a(error, Exception, *ENDS):
            self._link.tell_end(ended_by(error, "the worker"))  # before the channel's end is seen
        self._link.closed(self._sock)
        self._sock.close()
        return goes_on


async def serve_in_loop(link: WorkerLink, new_server: Callable[[Offer], Any]) -> None:
    """Serve all channels in the running event loop until the host says stop."""
    import asyncio

    loop = asyncio.get_running_loop()
    offers: asyncio.Queue[Offer | None] = asyncio.Queue()

    def pump() -> None:
        while (offer := link.next_offer()) is not None:
            loop.call_soon_threadsafe(offers.put_nowait, offer)
        loop.call_soon_threadsafe(offers.put_nowait, None)

    async def serve(offer: Offer) -> None:
        with _Served(link, offer):
            await new_server(offer).serve()

    threading.Thread(target=pump, name="pytriton-offers", daemon=True).start()
    wanted: asyncio.Task[Any] = loop.create_task(offers.get())
    running: set[asyncio.Task[Any]] = {wanted}
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            result = task.result()  # what ends a slot ends the worker
            if task is wanted and result is not None:
                wanted = loop.create_task(offers.get())
                running |= {wanted, loop.create_task(serve(result))}
