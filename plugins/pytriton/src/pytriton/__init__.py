"""The import package of scripts written for PyTriton 0.7, over pytriton-plugins; runs in the user's program."""

from __future__ import annotations

import importlib.metadata

from pytriton.installed import warn_of_nvidia_pytriton

__version__ = "0.7.0"
"""The version of PyTriton whose interface this package has."""

warn_of_nvidia_pytriton(importlib.metadata.distributions)
