"""Where a client may be used: in the process that made it, until it is closed."""

from __future__ import annotations

import os

from pytriton_plugins.client.errors import ClientClosed


class Guard:
    """Says whether a client may be used; a forked child has its memory, but none of its threads."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._is_closed = False

    def check(self) -> None:
        """Raise ClientClosed where the client cannot be used."""
        if self._is_closed:
            raise ClientClosed("the client is closed; make another one")
        if not self.is_own_process:
            raise ClientClosed(
                f"the client was made in process {self._process}, and this one was forked from it; "
                "make a client in each process"
            )

    @property
    def is_own_process(self) -> bool:
        """Whether this is the process that made the client."""
        return os.getpid() == self._process

    def close(self) -> bool:
        """Allow no more calls; whether there is something to close."""
        was_closed, self._is_closed = self._is_closed, True
        return self.is_own_process and not was_closed
