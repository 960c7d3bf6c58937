"""A host in a real OCI container of Debian's ``runc``; needs root.

``python containers.py FOLDER NAME COMMAND…`` writes the container's config.json for that command and becomes ``runc``.
The machine's root file system is the container's, read-only; /tmp, /dev/shm with 64 MB, processes, mounts and network
are its own; its user is not root and has no capabilities.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).parents[3]
_NEEDED = (Path(sys.base_prefix), Path(sys.prefix), _CHECKOUT)
"""Folders that the container reads, even if only root may read the folders above them."""
_USER = 1000
_SHM = "size=65536k"
# In a mount namespace of its own, so that nothing is left mounted.
_RUN = 'mount --bind / "$0"/rootfs && exec runc --root "$0"/state run --bundle "$0" --pid-file "$0"/pid "$1"'


class Container:
    """One container. A command with ``prefix`` before it becomes the container's process 1."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"pytriton-test-{uuid.uuid4().hex[:12]}"
        self.prefix = [sys.executable, __file__, str(folder), self._name]

    @property
    def pid(self) -> int:
        """The process id of its process 1 in this process's namespace."""
        return int((self._folder / "pid").read_text())

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as an exec probe does."""
        return self._runc("exec", self._name, *command)

    def remove(self) -> None:
        """End its processes, and remove its state and its cgroups."""
        self._runc("delete", "--force", self._name).check_returncode()
        assert not [*Path("/sys/fs/cgroup").glob(f"*/**/{self._name}")]

    def _runc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["runc", "--root", str(self._folder / "state"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)


@contextlib.contextmanager
def container(folder: Path) -> Iterator[Container]:
    """A container with its files in the new folder ``folder``, removed at the end."""
    (folder / "rootfs").mkdir(parents=True)
    one = Container(folder)
    try:
        yield one
    finally:
        one.remove()


def configuration(command: Sequence[str]) -> dict[str, Any]:
    """The output of ``runc spec`` with changes; it already has the 64 MB and the namespaces."""
    spec: dict[str, Any] = json.loads(_spec())
    assert any(_SHM in each.get("options", ()) for each in spec["mounts"] if each["destination"] == "/dev/shm")
    assert {each["type"] for each in spec["linux"]["namespaces"]} >= {"pid", "mount", "network"}
    assert spec["root"]["readonly"]
    assert spec["process"]["noNewPrivileges"]
    environment = {"PATH": os.environ["PATH"], "HOME": "/tmp", "LANG": "C.UTF-8"}
    environment |= {name: value for name, value in os.environ.items() if name.startswith("PYTRITON_TEST_")}
    spec["process"] |= {
        "terminal": False,
        "user": {"uid": _USER, "gid": _USER},
        "args": [*command],
        "env": [f"{name}={value}" for name, value in environment.items()],
        "capabilities": {},
    }
    spec["mounts"] += [{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}, *_needed_mounts()]
    return spec


def _spec() -> bytes:
    """The output of ``runc spec``, which it writes to config.json."""
    subprocess.run(["runc", "spec"], check=True)
    return Path("config.json").read_bytes()


def _needed_mounts() -> list[dict[str, Any]]:
    """The needed folders, read-only, below empty folders that replace those that only root may read."""
    above = sorted({parent for each in _NEEDED for parent in each.parents if not parent.stat().st_mode & 0o001})
    mounts = []
    for number, place in enumerate(above):
        # Not a tmpfs: runc gives it the mode of the folder that it hides.
        empty = Path("above", str(number)).resolve()
        empty.mkdir(parents=True, mode=0o755)
        mounts.append(_bind(empty, place, "rw"))
    mounts += [_bind(each, each, "ro") for each in dict.fromkeys(_NEEDED)]
    # A folder comes after its parent, which would hide it otherwise.
    return sorted(mounts, key=lambda mount: str(mount["destination"]))


def _bind(source: Path, place: Path, mode: str) -> dict[str, Any]:
    return {"destination": str(place), "type": "bind", "source": str(source), "options": ["rbind", mode]}


def main(folder: str, name: str, *command: str) -> None:
    """Never returns."""
    os.chdir(folder)
    written = json.dumps(configuration(command))
    Path("config.json").write_text(written)
    os.execvp("unshare", ["unshare", "--mount", "sh", "-c", _RUN, folder, name])


if __name__ == "__main__":
    main(*sys.argv[1:])
