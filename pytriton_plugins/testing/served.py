"""A callable in this process behind a real channel, with the worker's loop in a thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NoReturn, Protocol

from pytriton_plugins.errors import ShmError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.details import Detail
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.shm.sockets import socket_pair
from pytriton_plugins.testing.callees import Arrays, Callees
from pytriton_plugins.testing.channel import TIMEOUT, ChannelEnd, new_segment
from pytriton_plugins.worker.blocks.response_buffer import SegmentSource
from pytriton_plugins.worker.calling.errors import RequestFailure
from pytriton_plugins.worker.calling.request_state import SharedState
from pytriton_plugins.worker.calling.runner import BatchRunner, MarkedCallable
from pytriton_plugins.worker.calling.sequences import keeper_of
from pytriton_plugins.worker.channels.dispatch import server_class


class ServerFactory(Protocol):
    """A class of channel servers, or a function in its place."""

    def __call__(
        self,
        sock: socket.socket,
        response: Segment,
        declaration: ModelDeclaration,
        runner: BatchRunner,
        source: SegmentSource,
        shared: SharedState,
        /,
    ) -> Any: ...


class ServedChannel(ChannelEnd):
    """The end of a channel whose other end is served here; also grants segments, as the daemon does."""

    def __init__(
        self,
        declaration: ModelDeclaration,
        callable_: MarkedCallable,
        size: int,
        new_server: ServerFactory,
        headers: Mapping[str, str],
        models: Mapping[Any, Any],
    ) -> None:
        ours, theirs = socket_pair()
        response = new_segment(size)
        super().__init__(declaration, ours, response, size, Callees(models, partial(_run_called, models)))
        self.needs: list[int] = []
        """The size of each segment that the worker requested."""
        self.is_full = False
        """Whether requests for segments are refused."""
        self.ended_by: BaseException | None = None
        """The exception that ended the worker's loop before its channel."""
        keeper = keeper_of(declaration.name, declaration.sequence)
        self.shared = SharedState(declaration.name, declaration.timeout, headers, sequences=keeper)
        runner = BatchRunner(declaration, callable_)
        server = new_server(theirs, response, declaration, runner, self, self.shared)
        self._thread = threading.Thread(target=self._serve, args=(server, theirs), daemon=True)
        self._thread.start()

    def request_segment(self, size: int, replaced: int) -> Segment:
        """A new segment for the worker; raises ShmError if `is_full`."""
        self.needs.append(size)
        if self.is_full:
            raise ShmError("no more memory")
        return new_segment(size)

    def request_call_segment(self, size: int, replaced: int) -> Segment:
        """A new call segment for the worker; raises ShmError if `is_full`."""
        return self.request_segment(size, replaced)

    def close(self) -> None:
        """End the channel and wait for the end of the worker's loop."""
        super().close()
        self._thread.join(TIMEOUT)

    def _on_end(self) -> NoReturn:
        self._thread.join(TIMEOUT)
        raise AssertionError("the worker's loop ended without an answer") from self.ended_by

    def _serve(self, server: Any, sock: socket.socket) -> None:
        try:
            with sock, contextlib.closing(server):
                coroutine = server.serve()
                if coroutine is not None:
                    import asyncio

                    asyncio.run(coroutine)
        except BaseException as error:
            self.ended_by = error


@contextlib.contextmanager
def open_channel(
    declaration: ModelDeclaration,
    callable_: MarkedCallable,
    size: int = 1 << 16,
    new_server: ServerFactory | None = None,
    headers: Mapping[str, str] | None = None,
    models: Mapping[Any, Any] | None = None,
) -> Iterator[ServedChannel]:
    """A channel to ``callable_``; ``size``: of the first segments in bytes; ``new_server`` makes the worker's end.

    ``headers``: the names of parameters that are headers, and the names of these headers, in lower case. ``models``:
    those that the callable calls, by name: marked callables, functions of arrays that return a dict, or exceptions.
    """
    factory: ServerFactory = new_server or server_class(declaration, observed=False)
    end = ServedChannel(declaration, callable_, size, factory, headers or {}, models or {})
    try:
        yield end
    finally:
        end.close()


def _run_called(
    models: Mapping[Any, Any], declaration: ModelDeclaration, target: MarkedCallable, inputs: Arrays, detail: Detail
) -> Iterator[Arrays | RequestFailure]:
    """One request to a called model, through a worker's loop of its own."""
    with open_channel(declaration, target, models=models) as channel:
        answered = channel.send(dict(inputs), details=[detail])
    yield from answered.parts
    (outcome,) = answered.outcomes
    if isinstance(outcome, RequestFailure) or not declaration.streams:
        yield outcome
