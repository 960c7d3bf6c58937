"""The hook plugin that chooses the tritonserver in this package."""

from __future__ import annotations

from pathlib import Path

from pytriton_plugins import hookimpl

BUNDLE = Path(__file__).parent / "bundle"
"""Files of NVIDIA's wheel, in their folders: the server finds its libraries by relative paths."""

SERVER = BUNDLE / "pytriton/tritonserver/bin/tritonserver"


@hookimpl
def pytriton_choose_server(candidates: tuple[Path, ...]) -> Path | None:
    """The bundled server; None if it is missing, so that the next plugin chooses."""
    return SERVER if SERVER.is_file() else None
