"""Which server a channel gets, and the loops that serve the channels that the daemon offers."""

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
from pytriton_plugins.worker.calling.errors import ENDS
from pytriton_plugins.worker.channels.base import ChannelServer
from pytriton_plugins.worker.link import ChannelOffer, WorkerLink
from pytriton_plugins.worker.log import report

NewServer = Callable[[ChannelOffer], Any]
"""Makes the server of a channel."""


def server_class(declaration: ModelDeclaration, *, observed: bool) -> type[ChannelServer]:
    """The class of the servers of this model's channels."""
    if declaration.is_async:
        from pytriton_plugins.worker.channels.aio import AsyncServer, AsyncStreamServer

        return AsyncStreamServer if declaration.streams else AsyncServer
    if declaration.streams:
        from pytriton_plugins.worker.channels.stream import SyncStreamServer

        return SyncStreamServer
    from pytriton_plugins.worker.channels.sync import ObservedSyncServer, SyncServer

    return ObservedSyncServer if observed else SyncServer


def serve_in_threads(link: WorkerLink, slots: int, new_server: NewServer) -> None:
    """Serve ``slots`` channels at once, one in this thread and each other one in its own, until the daemon stops it."""
    others = [threading.Thread(target=_serve_or_exit, args=(link, new_server), daemon=True) for _ in range(slots - 1)]
    for other in others:
        other.start()
    serve_offers(link, new_server)
    for other in others:
        other.join()


def serve_offers(link: WorkerLink, new_server: NewServer) -> None:
    """Serve one channel after the other in this thread, until the daemon stops the worker."""
    while (offer := link.next_offer()) is not None:
        with _OpenChannel(link, offer):
            _serve(new_server(offer))


def _serve(server: Any) -> None:
    """Serve the channel to its end; afterwards nothing refers to its memory."""
    with contextlib.closing(server):
        server.serve()


def _serve_or_exit(link: WorkerLink, new_server: NewServer) -> None:
    """Serve in a thread; an exception that would end the worker in the main thread ends it here too."""
    try:
        serve_offers(link, new_server)
    except ENDS as error:  # the runner has logged it
        if is_a(error, SystemExit) and not isinstance(code_of(error), (int, type(None))):
            with contextlib.suppress(BaseException):  # the code's __str__ and the stream are the author's
                sys.stderr.write(f"{code_of(error)}\n")
        os._exit(exit_code(error))
    except BaseException as error:
        report(logging.CRITICAL, "a slot failed; this worker ends", error=error)
        os._exit(1)


def exit_code(error: BaseException) -> int:
    """The exit code of a process that ends with ``error``, as in Python, and for Ctrl-C as in a shell."""
    if is_a(error, SystemExit):
        code = code_of(error)
        return int.__and__(code, 0xFF) if isinstance(code, int) else 0 if code is None else 1
    return 128 + signal.SIGINT if is_a(error, KeyboardInterrupt) else 1


class _OpenChannel(contextlib.AbstractContextManager[None]):
    """A channel while it is served; afterwards it is closed, and children that the callable forks close theirs."""

    def __init__(self, link: WorkerLink, offer: ChannelOffer) -> None:
        self._link = link
        self._offer = offer

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        continues = self._link.channel_closed(self._offer, error)
        self._offer.sock.close()
        return continues


async def serve_in_loop(link: WorkerLink, new_server: NewServer) -> None:
    """Serve all channels in the running event loop until the daemon stops the worker."""
    import asyncio

    loop = asyncio.get_running_loop()
    offers: asyncio.Queue[ChannelOffer | None] = asyncio.Queue()

    def pump() -> None:
        while (offer := link.next_offer()) is not None:
            loop.call_soon_threadsafe(offers.put_nowait, offer)
        loop.call_soon_threadsafe(offers.put_nowait, None)

    async def serve(offer: ChannelOffer) -> None:
        with _OpenChannel(link, offer), contextlib.closing(new_server(offer)) as server:
            await server.serve()

    threading.Thread(target=pump, name="pytriton-offers", daemon=True).start()
    next_offer: asyncio.Task[Any] = loop.create_task(offers.get())
    running: set[asyncio.Task[Any]] = {next_offer}
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            offer = task.result()  # raises the exception that ends a slot, and with it the worker
            if task is next_offer and offer is not None:
                next_offer = loop.create_task(offers.get())
                running |= {next_offer, loop.create_task(serve(offer))}
