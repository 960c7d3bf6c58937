"""Settings of the kernel for the daemon's processes: no core files, and workers are killed first."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

_MAX_SCORE = 1000


def forbid_core_dumps() -> None:
    """Let no process from here on leave a core file: it would hold what clients sent.

    The kernel calls a program named in ``/proc/sys/kernel/core_pattern`` despite the limit; with an empty filter that
    gets registers only. Children inherit both.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # a kernel without the filter
        Path("/proc/self/coredump_filter").write_text("0")


def prefer_as_oom_victim(pid: int) -> None:
    """Let the kernel kill this worker before the daemon and tritonserver when memory is short.

    The score of a process is the thousandths of the memory that it uses, so only 1000 more is certain.
    """
    with contextlib.suppress(OSError):  # it has ended, or its score may not be raised here
        own = int(Path("/proc/self/oom_score_adj").read_text())
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(min(own + _MAX_SCORE, _MAX_SCORE)))
