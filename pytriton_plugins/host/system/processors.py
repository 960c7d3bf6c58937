"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

from pytriton_plugins.host.memory.system_limits import cgroups

_ROOT = Path("/")
_V1 = ("cpu.cfs_quota_us", "cpu.cfs_period_us", "")
_V2 = ("cpu.max", "", "")


def usable_processors(root: Path = _ROOT) -> int:
    """The number that it may run on, or that the quotas of its cgroups allow, whichever is less.

    ``root``: where ``proc`` and ``sys`` are.
    """
    quotas = [_quota(folder, *names[:2]) for folder, names in cgroups("cpu", _V1, _V2, root)]
    allowed = min((quota for quota in quotas if quota is not None), default=math.inf)
    return max(1, min(len(os.sched_getaffinity(0)), math.ceil(min(allowed, 1 << 20))))


def _quota(folder: Path, limit: str, period: str) -> float | None:
    """How many processors' time a cgroup may use; None without a limit."""
    try:
        parts = [*(folder / limit).read_text().split(), *((folder / period).read_text().split() if period else ())]
        share, each = int(parts[0]), int(parts[1])
    except (OSError, ValueError, IndexError):
        return None  # "max", or no such controller here
    return share / each if share > 0 and each > 0 else None
