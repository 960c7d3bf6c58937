"""The backends that tritonserver finds: ours, and those that its own installation has."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytriton_plugins.backend

BACKENDS = Path(pytriton_plugins.backend.__file__).parent / "lib"
"""The folder of our backend."""

_LINKS = "backends"
"""The folder in the run directory that joins both."""


def backend_folders(server: Path) -> tuple[Path, ...]:
    """The folders that have a folder for each backend of the tritonserver at ``server``."""
    own = server.parent.parent / "backends"
    return (BACKENDS, own) if own.is_dir() else (BACKENDS,)


def joined_backends(server: Path, run_dir: Path) -> Path:
    """One folder with the backends of `backend_folders`, since tritonserver takes one only; raises OSError."""
    folders = backend_folders(server)
    if len(folders) == 1:
        return BACKENDS
    joined = run_dir / _LINKS
    joined.mkdir(exist_ok=True)
    for backend in (each for folder in folders for each in folder.iterdir()):  # ours first: it stays
        with contextlib.suppress(FileExistsError):
            os.symlink(backend, joined / backend.name)
    return joined
