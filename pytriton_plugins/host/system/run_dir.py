"""The daemon's private folder: created at the start, removed at the end, or by the next start."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pytriton_plugins.errors import ConfigError
from pytriton_plugins.host.control.paths import FOLDER_PREFIX

_CLAIM = "pytriton-host.lock"
_OPEN = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


class RunDir:
    """A folder of the daemon's own, which only this user may enter: ``path``.

    It is in the configured folder, whose other files are never touched, or in the temporary folder. A lock that is held
    for life distinguishes it from folders that were left behind.
    """

    def __init__(self, wanted: Path | None) -> None:
        """In the configured folder ``wanted``, else in the temporary one; raises ConfigError if it is not usable."""
        parent = wanted.absolute() if wanted else _temporary()
        self._claim: int | None = None
        try:
            if wanted:
                self._claim = _claimed(parent)
            _sweep(parent)
            self.path = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=parent))
            self._lock = _locked_file(self.path)
        except OSError as error:
            raise ConfigError(f"run directory {parent}: {error.strerror}; name another with --run-dir") from None
        self._addresses = (parent if wanted else self.path) / "host.json"
        self._addresses.unlink(missing_ok=True)

    def write_addresses(self, content: dict[str, Any]) -> None:
        """Write ``host.json``, which is complete whenever it exists."""
        new = self.path / "host.json.new"
        new.write_text(json.dumps(content))
        new.rename(self._addresses)

    def remove(self) -> None:
        """Remove the files of the daemon; a configured folder stays."""
        self._addresses.unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)
        if self._claim is not None:
            (self.path.parent / _CLAIM).unlink(missing_ok=True)
            os.close(self._claim)


def _temporary() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        raise ConfigError(
            "run directory: no temporary folder is writable; name a folder with --run-dir, such as one in a tmpfs"
        ) from None


def _claimed(folder: Path) -> int:
    """The lock of a configured folder, which only this user may write to."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ConfigError(
            f"run directory {folder}: other users can change its files; name one with --run-dir that belongs to user "
            f"{os.geteuid()} and that only they may write to"
        )
    lock = os.open(folder / _CLAIM, _OPEN | os.O_CREAT, 0o600)
    if not _locked(lock):
        os.close(lock)
        raise ConfigError(f"run directory {folder} is used by another pytriton-host; name another with --run-dir")
    return lock


def _locked_file(folder: Path) -> int:
    """The lock of a new folder. It gets its name once it is held, so that no other daemon sweeps it before."""
    lock = os.open(folder / "lock.new", _OPEN | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "lock.new").rename(folder / "lock")
    return lock


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sweep(parent: Path) -> None:
    """Remove folders of daemons that were killed: those whose lock is free."""
    for folder in parent.glob(FOLDER_PREFIX + "*"):
        with contextlib.suppress(OSError):  # another user's, or not complete yet
            descriptor = os.open(folder / "lock", _OPEN)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid() and _locked(descriptor):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
