"""The owner's side of a lifeline: a daemon that is started with it stops when this process is gone, even by SIGKILL."""

from __future__ import annotations

import contextlib
import os
import socket
import time

_MAX_FOLDER = 65536
_TICK = 0.1
"""Seconds of one wait for the announcement."""


class Lifeline:
    """Made before the daemon is started with `options` and the descriptors `inherit`, and `handed_over` then.

    A pidfd of this process tells the daemon the end of this process, also where a forked child lives on that holds a
    copy of everything. The socket tells it `close`, and the execution of another program.
    """

    def __init__(self) -> None:
        """Raises OSError where no descriptor is left."""
        self._owner = os.getpid()
        self._ours, self._theirs = socket.socketpair()
        try:
            self._pidfd = os.pidfd_open(self._owner)
        except OSError:
            self._ours.close()
            self._theirs.close()
            raise

    @property
    def inherit(self) -> tuple[int, int]:
        """The descriptors that the daemon inherits, by the same numbers."""
        return self._theirs.fileno(), self._pidfd

    @property
    def options(self) -> list[str]:
        """The private option of `serve`."""
        return ["--lifeline={},{}".format(*self.inherit)]

    def handed_over(self) -> None:
        """The daemon has its copies: close ours. A second call does nothing."""
        if self._pidfd >= 0:
            self._theirs.close()
            os.close(self._pidfd)
            self._pidfd = -1

    def announced(self) -> str | None:
        """The daemon's own folder once it is announced; None for "not yet", "" where the daemon closed its end.

        Waits a moment at most.
        """
        deadline = time.monotonic() + _TICK
        self._ours.settimeout(_TICK)
        try:
            line = self._ours.recv(_MAX_FOLDER)
            while line and not line.endswith(b"\n") and time.monotonic() < deadline:
                line += self._ours.recv(_MAX_FOLDER)
        except TimeoutError:
            return None
        except OSError:
            return ""
        return os.fsdecode(line.rstrip(b"\n"))

    def close(self) -> None:
        """The daemon stops, unless it has already. In a fork of this process only its copy is closed."""
        self.handed_over()
        if os.getpid() == self._owner:
            with contextlib.suppress(OSError):  # it is closed, or the daemon has ended
                self._ours.shutdown(socket.SHUT_RDWR)
        self._ours.close()
