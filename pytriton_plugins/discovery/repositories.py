"""The folder of a model repository, found without importing the package that it is in."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from pytriton_plugins.discovery.references import RepositoryReference
from pytriton_plugins.errors import DiscoveryError
from pytriton_plugins.text import one_line

_FORM = "write the entry point as NAME = PACKAGE.FOLDER, both without hyphens"


def configured_repository(folder: Path) -> RepositoryReference:
    """The reference of a folder that the configuration names."""
    return RepositoryReference(one_line(folder, 4096), str(folder), folder=str(folder))


def folder_of(reference: RepositoryReference) -> Path:
    """The folder of ``reference``; it may not exist. Raises DiscoveryError where there is no such package."""
    if reference.folder:
        return Path(reference.folder)
    parts = reference.value.split(".")
    if not all(part.isidentifier() for part in parts):
        raise DiscoveryError(f"{one_line(reference.value)!r} does not name a folder of a package; {_FORM}")
    if reference.python:
        raise DiscoveryError(
            f"package {parts[0]} is not installed for {reference.python}; install the distribution again"
        )
    # Of the top-level name only: to find a deeper one its parents would be imported.
    return Path(_package(parts[0]), *parts[1:])


def _package(name: str) -> str:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise DiscoveryError(f"package {name} is not installed; install the distribution again")
    return str(folders[0])
