"""Hooks: their specs, the plugins that implement them, and the five rules by which these are called.

The command line and the daemon call hooks; a worker does too if a plugin implements a hook that workers call.
"""

from __future__ import annotations

from pytriton_plugins.hooks.markers import hookimpl

__all__ = ["hookimpl"]
