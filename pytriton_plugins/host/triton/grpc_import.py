"""The import of gRPC in a process that forks; in the host and on the command line."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_FORK_SUPPORT = "GRPC_ENABLE_FORK_SUPPORT"


@contextlib.contextmanager
def no_fork_handlers() -> Iterator[None]:
    """Have gRPC, which is begun here, leave forks alone.

    It would start a thread of its own after each, and where none may be started it tries for ever, in the thread that
    forked: ours. All that we fork is another program at once.
    """
    before = os.environ.get(_FORK_SUPPORT)
    os.environ[_FORK_SUPPORT] = "0"
    try:
        yield
    finally:
        del os.environ[_FORK_SUPPORT]  # workers may need it
        if before is not None:
            os.environ[_FORK_SUPPORT] = before
