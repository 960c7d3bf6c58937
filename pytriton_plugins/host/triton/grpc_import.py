"""The import of gRPC in a process that forks: the daemon, and the command line."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_FORK_SUPPORT = "GRPC_ENABLE_FORK_SUPPORT"


@contextlib.contextmanager
def no_fork_handlers() -> Iterator[None]:
    """Let gRPC, which is imported here, ignore forks.

    It would start a thread after each fork, and where no thread can be started it retries for ever in the thread that
    forked: ours. Every process that we fork runs another program at once.
    """
    before = os.environ.get(_FORK_SUPPORT)
    os.environ[_FORK_SUPPORT] = "0"
    try:
        yield
    finally:
        del os.environ[_FORK_SUPPORT]  # workers may need it
        if before is not None:
            os.environ[_FORK_SUPPORT] = before
