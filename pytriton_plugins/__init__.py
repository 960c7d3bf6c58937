"""What plugin authors import; it runs in author modules, workers and the host, so nothing heavy is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytriton_plugins.errors import RequestError
from pytriton_plugins.marking import infer_func
from pytriton_plugins.tensors import Tensor

__all__ = ["RequestError", "Tensor", "hookimpl", "infer_func"]

if TYPE_CHECKING:
    from pytriton_plugins.hooks import hookimpl
else:

    def __getattr__(name: str) -> object:
        """`hookimpl` on first use: only hook plugins need pluggy, and workers run without it."""
        if name != "hookimpl":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from pytriton_plugins.hooks import hookimpl

        return hookimpl
