"""How much memory can still be used before the kernel kills something; runs in the host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def memory_headroom() -> int:
    """Bytes left on the machine or below the limit of any memory cgroup around this process, whichever is less."""
    return min([_available(), *(left for folder, names in _cgroups() if (left := _left(folder, *names)) is not None)])


def _available() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 1 << 62  # no such figure: the cgroups alone decide


def _cgroups() -> list[tuple[Path, tuple[str, str, str]]]:
    """The memory cgroups from this process up to the root, version 1 or 2, as this mount namespace shows them."""
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            root, names = Path("/sys/fs/cgroup"), _V2
        elif "memory" in controllers.split(","):
            root, names = Path("/sys/fs/cgroup/memory"), _V1
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
        return int(text) - int(read(usage)) + _statistic(read, reclaimable)
    except (OSError, ValueError):
        return None  # no such controller here


def _statistic(read: Callable[[str], str], key: str) -> int:
    for line in read("memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    return 0
