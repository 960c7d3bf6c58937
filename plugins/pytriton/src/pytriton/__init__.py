"""The import package of scripts written for PyTriton 0.7, over pytriton-plugins; runs in the user's program."""

from __future__ import annotations

import importlib
import importlib.metadata
from types import ModuleType

from pytriton.installed import warn_of_nvidia_pytriton

__version__ = "0.7.0"
"""The version of PyTriton whose interface this package has."""

warn_of_nvidia_pytriton(importlib.metadata.distributions)

_MODULES = ("client", "decorators", "exceptions", "model_config", "triton")


def __getattr__(name: str) -> ModuleType:
    """``import pytriton`` is enough for ``pytriton.triton.Triton``; a module is loaded at its first use."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
