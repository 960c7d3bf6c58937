"""The two pluggy markers, apart from the specs so that a plugin's import of `hookimpl` stays cheap; any process."""

from __future__ import annotations

import pluggy

PROJECT = "pytriton_plugins"
PREFIX = "pytriton_"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function or method as the implementation of the hook that it is named for."""
