"""Whether a worker answers its pings."""

from __future__ import annotations

import time


class Pings:
    """The open ping of one worker. At most one is open: the one that it has not answered."""

    def __init__(self) -> None:
        self.excused = False
        """It need not answer until it has answered once more: it may run a batch of a server that has ended."""
        self._opened_at: float | None = None

    @property
    def silent_for(self) -> float:
        """Seconds since the open ping; 0 without one."""
        return 0.0 if self._opened_at is None else time.monotonic() - self._opened_at

    def open(self) -> bool:
        """Open a ping, to be sent; False if one is open."""
        if self._opened_at is not None:
            return False
        self._opened_at = time.monotonic()
        return True

    def answer(self) -> None:
        """The worker has answered."""
        self.excused = False
        self.forget()

    def forget(self) -> None:
        """Close the open ping: its answer is not needed, because the silence has another reason."""
        self._opened_at = None
