"""When the kernel has ended a process: on a busy machine the ends of large ones take it most of a second."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

_LONGEST = 30.0


def gone(descriptor: int) -> float:
    """Wait for the end of the process of this pidfd, which is closed; the time, by the monotonic clock."""
    with open(descriptor, "rb") as ended:
        assert select.select([ended], [], [], _LONGEST)[0], "the process has not ended"
        return time.monotonic()


@contextlib.contextmanager
def watched(pid: int) -> Iterator[Future[float]]:
    """The time at which the kernel will have ended the process ``pid``, which runs now."""
    with ThreadPoolExecutor(1) as watcher:
        yield watcher.submit(gone, os.pidfd_open(pid))
