"""The files that a plugin would be imported from, found without importing anything."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from pytriton_plugins.discovery.importing import is_path, split_reference
from pytriton_plugins.discovery.references import ModelReference

MAX_FILES = 200
"""Of one package."""


def source_files(reference: ModelReference) -> list[str]:
    """The file, or those of the package; none where only another interpreter knows."""
    module, _ = split_reference(reference.value)
    if is_path(module):
        return [module]
    if reference.python:
        return []
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])  # of a top-level name: nothing is imported
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return []
    folders = spec.submodule_search_locations
    if folders is None:
        return [spec.origin] if spec.origin else []
    return sorted(str(file) for folder in folders for file in Path(folder).rglob("*.py"))[:MAX_FILES]
