"""The daemon's side of a lifeline: it stops soon after the process that started it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pytriton_plugins.errors import ConfigError


class Orphan(Protocol):
    """The daemon, as a lifeline sees it."""

    def orphaned(self) -> None:
        """The process that started it is gone."""


class Lifeline:
    """Two inherited descriptors: a stream socket, whose other end only the owner has, and a pidfd of the owner.

    The socket ends when the owner closes it or executes another program. The pidfd ends with the owner even while
    processes that it forked hold the socket.
    """

    has_ended = False
    """The daemon was told that its owner is gone."""

    def __init__(self, text: str) -> None:
        """``text``: the numbers of both, as ``SOCKET,PIDFD``; raises ConfigError."""
        try:
            self._socket, self._pidfd = (int(number) for number in text.split(","))
            for descriptor in (self._socket, self._pidfd):
                os.set_inheritable(descriptor, False)
        except (ValueError, OverflowError, OSError):
            raise ConfigError(f"--lifeline {text}: expected two open descriptors, SOCKET,PIDFD") from None

    @contextlib.contextmanager
    def ending_this_process(self) -> Iterator[None]:
        """Inside, the end of the owner ends this process at once, even while it waits in the import of a plugin."""
        left = os.eventfd(0, os.EFD_CLOEXEC)
        watch = threading.Thread(target=self._end_with_owner, args=(left,), name="pytriton-lifeline", daemon=True)
        watch.start()
        try:
            yield
        finally:
            os.eventfd_write(left, 1)
            watch.join()
            os.close(left)

    def _end_with_owner(self, left: int) -> None:
        poll = select.poll()
        for descriptor in (self._socket, self._pidfd, left):
            poll.register(descriptor, select.POLLIN)
        if left not in dict(poll.poll()):
            os._exit(1)

    def open(self, daemon: Orphan, folder: Path) -> None:
        """Write the daemon's own ``folder``, where the control socket listens, and tell ``daemon`` the end once."""
        loop = asyncio.get_running_loop()

        def ended() -> None:
            for descriptor in (self._socket, self._pidfd):
                loop.remove_reader(descriptor)
            self.has_ended = True
            daemon.orphaned()

        for descriptor in (self._socket, self._pidfd):
            loop.add_reader(descriptor, ended)
        with contextlib.suppress(OSError):  # it is gone already
            os.write(self._socket, os.fsencode(folder) + b"\n")
