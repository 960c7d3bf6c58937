"""Hook plugins called as in the daemon, without installed ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytriton_plugins.hooks.manager import HookManager

NAME = "under-test"
"""The name of the plugin in messages and results."""


def hook_manager(*plugins: object, settings: Mapping[str, Any] | None = None) -> HookManager:
    """A manager with the built-in hooks and ``plugins``, called in that order; each of them gets ``settings``.

    Raises HookError for a plugin that the daemon would refuse.
    """
    labels = [NAME if number == 0 else f"{NAME}-{number + 1}" for number in range(len(plugins))]
    manager = HookManager({label: settings or {} for label in labels})
    for label, plugin in reversed(list(zip(labels, plugins, strict=True))):
        manager.register(plugin, label)
    return manager
