"""The two pluggy markers; not in specs.py, so that the import of `hookimpl` in a plugin stays cheap."""

from __future__ import annotations

import pluggy

PROJECT = "pytriton_plugins"
PREFIX = "pytriton_"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function or method as the implementation of the hook whose name it has."""
