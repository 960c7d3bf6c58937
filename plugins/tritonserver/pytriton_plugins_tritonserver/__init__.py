"""The hook plugin that offers the tritonserver in this package; runs in the host."""

from __future__ import annotations

from pathlib import Path

from pytriton_plugins import hookimpl

BUNDLE = Path(__file__).parent / "bundle"
"""What was taken from NVIDIA's wheel; its folders keep their places, for the server finds its libraries by them."""

SERVER = BUNDLE / "pytriton/tritonserver/bin/tritonserver"


@hookimpl
def pytriton_choose_server(candidates: tuple[Path, ...]) -> Path | None:
    """The bundled server, whatever else was found; None lets the next candidate win."""
    return SERVER if SERVER.is_file() else None
