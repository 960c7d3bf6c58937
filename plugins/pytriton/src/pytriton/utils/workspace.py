"""`Workspace`: a folder that lives as long as a server."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path


class Workspace:
    """A new folder, without a path a temporary one; raises FileExistsError for a path that exists.

    The server needs no folder of its own: it is for scripts that keep files there.
    """

    def __init__(self, workspace_path: str | Path | None = None) -> None:
        if workspace_path is None:
            self._path = Path(tempfile.mkdtemp(prefix="pytriton-workspace-"))
        else:
            self._path = Path(workspace_path).expanduser().absolute()
            self._path.mkdir(parents=True)

    @property
    def path(self) -> Path:
        return self._path

    @property
    def model_store_path(self) -> Path:
        """Where PyTriton has the models. The server has no such folder here."""
        return self._path / "model-store"

    def exists(self) -> bool:
        return self._path.exists()

    def is_empty(self) -> bool:
        """Whether nothing is in it; True where it does not exist."""
        return not self.exists() or next(self._path.iterdir(), None) is None

    def clean(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self._path, ignore_errors=True)
