"""The host's private folder: made at the start, removed at the end, swept by the next start; runs in the host."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from pytriton_plugins.errors import ConfigError

_PREFIX = "pytriton-host-"


class RunDir:
    """A folder that only this user may enter. A lock held for life tells the living from what was left behind."""

    def __init__(self, wanted: Path | None) -> None:
        """``wanted`` as configured, else a new temporary folder; raises ConfigError when it cannot be used."""
        if wanted is None:
            _sweep(Path(tempfile.gettempdir()))
        try:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX)) if wanted is None else wanted.absolute()
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            place = wanted or tempfile.gettempdir()
            raise ConfigError(f"run directory {place}: {error.strerror}; name another with --run-dir") from None
        if not _locked(self._lock):
            os.close(self._lock)
            raise ConfigError(
                f"run directory {self.path} is used by another pytriton-host; name another with --run-dir"
            )
        self._temporary = wanted is None
        self._empty()

    def remove(self) -> None:
        """Remove what the host put there, and the folder itself unless it was configured."""
        self._empty()
        (self.path / "lock").unlink(missing_ok=True)
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def _empty(self) -> None:
        shutil.rmtree(self.path / "repository", ignore_errors=True)
        (self.path / "host.json").unlink(missing_ok=True)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(parent: Path) -> None:
    """Remove folders of hosts that were killed: those whose lock nobody holds."""
    for folder in parent.glob(_PREFIX + "*"):
        try:
            descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue  # another user's, or just being made
        try:
            if os.fstat(descriptor).st_uid == os.getuid() and _locked(descriptor):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)
