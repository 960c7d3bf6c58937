"""The memory limit of a container, from the files of cgroups version 1 and 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytriton_plugins.host.memory.system_limits import container_memory, machine_memory

GIB = 1 << 30
NO_LIMIT_V1 = "9223372036854771712"


def machine(root: Path, cgroup: str, limits: dict[str, str]) -> Path:
    """A machine of 8 GiB: the content of /proc/self/cgroup, and limit files below /sys/fs/cgroup."""
    files = {"proc/self/cgroup": cgroup, "proc/meminfo": "MemTotal:  8388608 kB\nMemAvailable:  1024 kB\n"}
    files |= {f"sys/fs/cgroup/{name}": f"{limit}\n" for name, limit in limits.items()}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("cgroup", "limits", "limit"),
    [
        ("0::/\n", {"memory.max": str(GIB)}, GIB),
        ("0::/\n", {"memory.max": "max"}, None),
        ("0::/\n", {}, None),
        ("0::/\n", {"memory.max": str(64 * GIB)}, None),
        ("0::/pod/box\n", {"pod/memory.max": str(GIB), "pod/box/memory.max": "max"}, GIB),
        ("0::/pod/box\n", {"pod/memory.max": str(4 * GIB), "pod/box/memory.max": str(GIB)}, GIB),
        ("5:memory:/\n1:name=systemd:/\n", {"memory/memory.limit_in_bytes": str(GIB)}, GIB),
        ("5:cpu,memory:/\n", {"memory/memory.limit_in_bytes": str(GIB)}, GIB),
        ("5:memory:/\n", {"memory/memory.limit_in_bytes": NO_LIMIT_V1}, None),
        # The container's path is that of the machine, which the container does not see below its own mount.
        ("5:memory:/kubepods/pod1/box\n", {"memory/memory.limit_in_bytes": str(GIB)}, GIB),
        ("", {"memory.max": str(GIB)}, None),
    ],
)
def test_the_least_limit_around_this_process(tmp_path: Path, cgroup: str, limits: dict[str, str], limit: int) -> None:
    """The lowest limit of the process's own and its parent cgroups counts."""
    assert container_memory(machine(tmp_path, cgroup, limits)) == limit


def test_the_machine(tmp_path: Path) -> None:
    assert machine_memory(machine(tmp_path, "", {})) == 8 * GIB
    assert (container_memory() or 0) < machine_memory()
