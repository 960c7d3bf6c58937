"""What the kernel is told about the daemon's processes: no core files, and who goes first; runs in the host."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

_MOST = 1000


def forbid_core_dumps() -> None:
    """Let no process from here on leave a core file: it would hold what clients sent.

    A program named in ``/proc/sys/kernel/core_pattern`` is called whatever the limit says; with no kind of memory in
    the filter it gets registers only. Children inherit both.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # a kernel without the filter
        Path("/proc/self/coredump_filter").write_text("0")


def let_go_first(pid: int) -> None:
    """Have the kernel, when memory is short, take this worker before the daemon and tritonserver.

    The score of a process is the thousandths of the memory that it uses, so nothing less than 1000 more is sure.
    """
    with contextlib.suppress(OSError):  # it ended meanwhile, or may not be raised here
        own = int(Path("/proc/self/oom_score_adj").read_text())
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(min(own + _MOST, _MOST)))
