"""`Workspace`: a folder that lives as long as a server."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path


class Workspace:
    """A folder, made where it does not exist; without a path a temporary one.

    The server needs no folder of its own: it is for scripts that keep files there.
    """

    def __init__(self, workspace_path: str | Path | None = None) -> None:
        self._is_temporary = workspace_path is None
        made = tempfile.mkdtemp(prefix="pytriton-workspace-") if workspace_path is None else workspace_path
        self._path = Path(made).expanduser().absolute()
        self._path.mkdir(parents=True, exist_ok=True)

    @property
    def path(self) -> Path:
        return self._path

    def exists(self) -> bool:
        return self._path.exists()

    def is_empty(self) -> bool:
        """Whether nothing is in it; True where it does not exist."""
        return not self.exists() or next(self._path.iterdir(), None) is None

    def clean(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self._path, ignore_errors=True)
