"""Control groups in which a host is short of a resource; needs root and cgroups version 1."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pytriton_plugins.testing import wait_until

_ROOT = Path("/sys/fs/cgroup")
SHARES = 1 << 16
"""Processor shares, against 1024 of every other process, so that other work on the machine does not count."""

_ENTER = 'echo $$ > "$0"/cgroup.procs && exec "$@"'


class Cgroup:
    """One group. A command with ``prefix`` before it runs in the group, with all its descendants."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.prefix = ["sh", "-c", _ENTER, str(folder)]

    def write(self, name: str, value: int | str) -> None:
        (self._folder / name).write_text(str(value))

    def read(self, name: str) -> str:
        return (self._folder / name).read_text().strip()

    def number(self, name: str, key: str) -> int:
        """The value of ``key`` in a file with a line for each."""
        return next(int(line.split()[1]) for line in self.read(name).splitlines() if line.split()[0] == key)


@contextlib.contextmanager
def cgroup(controller: str, limits: Mapping[str, int | str] | None = None) -> Iterator[Cgroup]:
    """A group with these limits, removed once its processes have ended; skips the test if no group can be made."""
    folder = _ROOT / controller / f"pytriton-test-{uuid.uuid4().hex[:12]}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"needs a cgroup of the controller {controller}, version 1: {error.strerror}")
    group = Cgroup(folder)
    try:
        for name, value in (limits or {}).items():
            group.write(name, value)
        yield group
    finally:
        wait_until(lambda: not group.read("cgroup.procs"), 20, "all processes of the group have ended")
        folder.rmdir()
