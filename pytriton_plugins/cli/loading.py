"""What several commands need: the settings as `serve` has them, and the hook plugins; in the called process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytriton_plugins.config import HostConfig
    from pytriton_plugins.hooks.manager import HookManager


def loaded_config(config_file: str | None = None) -> HostConfig:
    """The settings as variables and file give them."""
    from pytriton_plugins.config import load_config

    flags: dict[str, object] = {"config": config_file} if config_file else {}
    return load_config((), flags, os.environ, Path.cwd())


def loaded_hooks(config: HostConfig, broken: dict[str, str]) -> HookManager:
    """The hook plugins that work; those that do not go to ``broken``, by label, with what is wrong."""
    from pytriton_plugins.discovery.entry_points import find_hooks, look_into
    from pytriton_plugins.discovery.selection import conflicts, without
    from pytriton_plugins.hooks.manager import HookManager

    look_into(config.plugins_dir)
    left = without(find_hooks(), config.disable)
    broken.update(conflicts(left))
    references = [reference for reference in left if reference.label not in broken]
    return HookManager.of_references(
        references, config.tables.plugins, lambda reference, error: broken.update({reference.label: str(error)})
    )
