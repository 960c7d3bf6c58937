"""What hook plugins may do: specs, the manager that asks them, the five calling rules; runs in the host process."""

from __future__ import annotations

from pytriton_plugins.hooks.markers import hookimpl

__all__ = ["hookimpl"]
