"""A callable in this process behind a real channel, with the worker's loop in a thread; runs in the test process."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from pytriton_plugins.errors import ShmError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.shm.sockets import socket_pair
from pytriton_plugins.testing.channel import TIMEOUT, ChannelEnd, new_segment
from pytriton_plugins.worker.calling.request_state import Surroundings
from pytriton_plugins.worker.calling.runner import CallPlan
from pytriton_plugins.worker.channels.dispatch import server_class

NewServer = Callable[..., Any]


class ServedChannel(ChannelEnd):
    """The end of a channel whose other end is served here, with the host's part as well."""

    def __init__(
        self,
        declaration: ModelDeclaration,
        callable_: Callable[..., Any],
        size: int,
        new_server: NewServer,
        headers: Mapping[str, str],
    ) -> None:
        ours, theirs = socket_pair()
        response = new_segment(size)
        super().__init__(declaration, ours, response, size)
        self.needs: list[int] = []
        """How many bytes the worker asked the host for, each time."""
        self.is_full = False
        """Whether the host refuses."""
        self.ended_by: BaseException | None = None
        """What ended the worker's loop before its channel did."""
        self.surroundings = Surroundings(declaration.name, declaration.timeout, headers)
        calls = CallPlan(declaration, callable_)
        server = new_server(theirs, response, declaration, calls, self._need, self.surroundings)
        self._thread = threading.Thread(target=self._serve, args=(server, theirs), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the channel and wait for the worker's loop."""
        super().close()
        self._thread.join(TIMEOUT)

    def _on_end(self) -> NoReturn:
        self._thread.join(TIMEOUT)
        raise AssertionError("the worker's loop ended without an answer") from self.ended_by

    def _serve(self, server: Any, sock: socket.socket) -> None:
        try:
            with sock:
                served = server.serve()
                if served is not None:
                    import asyncio

                    asyncio.run(served)
        except BaseException as error:
            self.ended_by = error

    def _need(self, size: int, replaced: int) -> Segment:
        self.needs.append(size)
        if self.is_full:
            raise ShmError("no more memory")
        return new_segment(size)


@contextlib.contextmanager
def open_channel(
    declaration: ModelDeclaration,
    callable_: Callable[..., Any],
    size: int = 1 << 16,
    new_server: NewServer | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[ServedChannel]:
    """A channel to ``callable_``; ``size`` is that of the first segments in bytes; ``new_server`` makes its end.

    ``headers``: the names of parameters that are headers, in lower case, and the headers' own.
    """
    served_by = new_server or server_class(declaration, observed=False)
    end = ServedChannel(declaration, callable_, size, served_by, headers or {})
    try:
        yield end
    finally:
        end.close()
