"""How much memory this process may use, how much is left, and how many threads it can start."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable
from pathlib import Path

_Names = tuple[str, str, str]
"""The files with a limit and with the use, and the key in memory.stat of used bytes that can be reclaimed, or none."""

NO_LIMIT = 1 << 62
"""More than any limit."""

_ROOT = Path("/")
_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_ALWAYS, _NEVER = 1, 2
"""Values of vm.overcommit_memory; with any other the kernel checks each allocation by itself."""

_PIDS = ("pids.max", "pids.current", "")


def memory_headroom() -> int:
    """Bytes left on the machine or below the limit of any memory cgroup around this process, whichever is less."""
    return min([_meminfo("MemAvailable", _ROOT), *_below_limits("memory", _V1, _V2)])


def container_memory(root: Path = _ROOT) -> int | None:
    """Bytes that this container may use: the least limit of the memory cgroups around this process, either version.

    None where nothing but the size of the machine is a limit. ``root``: where ``proc`` and ``sys`` are.
    """
    limits = [_number(folder / names[0]) for folder, names in cgroups("memory", _V1, _V2, root)]
    least = min((limit for limit in limits if limit is not None), default=NO_LIMIT)
    return least if least < machine_memory(root) else None


def machine_memory(root: Path = _ROOT) -> int:
    """Bytes of memory that this machine has; ``root``: where ``proc`` is."""
    return _meminfo("MemTotal", root)


def swappable(root: Path = _ROOT) -> int:
    """Bytes of the largest allocation, used or not, that the kernel allows; unlimited where it always overcommits."""
    if _overcommit(root) == _ALWAYS:
        return NO_LIMIT
    return _meminfo("MemTotal", root) + _meminfo("SwapTotal", root)


def committable(root: Path = _ROOT) -> int:
    """Bytes that may still be allocated, used or not; a limit only where the kernel never overcommits."""
    if _overcommit(root) != _NEVER:
        return NO_LIMIT
    return _meminfo("CommitLimit", root) - _meminfo("Committed_AS", root)


def process_headroom() -> int:
    """Processes and threads that may still be started here, by the limits of pids cgroups and of this user."""
    try:
        return min([_left_to_user(), *_below_limits("pids", _PIDS, _PIDS)])
    except OSError:  # no descriptor is left to read the limits with
        return NO_LIMIT


def _meminfo(name: str, root: Path) -> int:
    for line in (root / "proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return NO_LIMIT  # without this figure the cgroups alone decide


def _overcommit(root: Path) -> int | None:
    """``vm.overcommit_memory``."""
    return _number(root / "proc/sys/vm/overcommit_memory")


def _number(file: Path) -> int | None:
    """The number in the file; None for ``max``, and without such a controller."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _left_to_user() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if limit == resource.RLIM_INFINITY or os.geteuid() == 0:
        return NO_LIMIT
    return limit - sum(map(_own_threads, Path("/proc").iterdir()))


def _own_threads(folder: Path) -> int:
    """How many threads a process has, 0 if it is not this user's."""
    with contextlib.suppress(OSError, ValueError):  # it ended meanwhile; no process
        int(folder.name)
        if folder.stat().st_uid == os.geteuid():
            return (folder / "task").stat().st_nlink - 2
    return 0


def _below_limits(controller: str, v1: _Names, v2: _Names) -> list[int]:
    lefts = [_left(folder, *names) for folder, names in cgroups(controller, v1, v2)]
    return [left for left in lefts if left is not None]


def cgroups(controller: str, v1: _Names, v2: _Names, above: Path = _ROOT) -> list[tuple[Path, _Names]]:
    """The cgroups from this process up to the root, version 1 or 2, as this mount namespace shows them."""
    found = []
    for line in (above / "proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            root, names = above / "sys/fs/cgroup", v2
        elif controller in controllers.split(","):
            root, names = above / "sys/fs/cgroup" / controller, v1
        else:
            continue
        relative = Path(path.lstrip("/"))
        found += [(root / folder, names) for folder in (relative, *relative.parents) if (root / folder).is_dir()]
    return found


def _left(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    def read(name: str) -> str:
        return (folder / name).read_text()

    try:
        text = read(limit).strip()
        if text == "max":
            return None
        return int(text) - int(read(usage)) + (_statistic(read, reclaimable) if reclaimable else 0)
    except (OSError, ValueError):
        return None  # no such controller here


def _statistic(read: Callable[[str], str], key: str) -> int:
    for line in read("memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    return 0
