"""A memory cgroup of the test's own; runs in pytest, as root."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def memory_cgroup(limit: int) -> Iterator[Path]:
    """The folder of a cgroup whose processes may have ``limit`` bytes; `move` puts them there. Removed at the end."""
    parent = _ROOT / "memory" if (_ROOT / "memory").is_dir() else _ROOT
    folder = parent / f"pytriton-test-{uuid.uuid4().hex}"
    folder.mkdir()
    try:
        name = "memory.limit_in_bytes" if parent != _ROOT else "memory.max"
        (folder / name).write_text(str(limit))
        yield folder
    finally:
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (parent / "cgroup.procs").write_text(pid)
        with contextlib.suppress(OSError):
            folder.rmdir()


def move(pid: int, folder: Path) -> None:
    """Put the process into the cgroup."""
    (folder / "cgroup.procs").write_text(str(pid))
