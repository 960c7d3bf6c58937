"""The installed plugins, read from entry-point metadata; no plugin is imported.

The only module that imports `importlib_metadata`, which patches the standard library's finder.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import importlib_metadata

from pytriton_plugins.discovery.references import HookReference, ModelReference, Reference, RepositoryReference
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line

MODELS_GROUP = "pytriton_plugins.models"
HOOKS_GROUP = "pytriton_plugins.hooks"
REPOSITORIES_GROUP = "pytriton_plugins.repositories"

log = logging.getLogger("pytriton.discovery")


R = TypeVar("R", bound=Reference)


def find_models() -> list[ModelReference]:
    """The installed model plugins, sorted by plugin, then distribution: the same order on every machine."""
    return _find(MODELS_GROUP, ModelReference)


def find_hooks() -> list[HookReference]:
    """The installed hook plugins, sorted by plugin, then distribution: the same order on every machine."""
    return _find(HOOKS_GROUP, HookReference)


def find_repositories() -> list[RepositoryReference]:
    """The installed model repositories, sorted as models are."""
    return _find(REPOSITORIES_GROUP, RepositoryReference)


def look_into(folder: Path | None) -> None:
    """Make plugins in ``folder`` found as well, after all others; None: no further folder.

    Raises ConfigError when there is no such folder.
    """
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"--plugins-dir {one_line(folder)} is not a folder; correct it or create one")
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))


def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution; None for one that is not installed."""
    try:
        return str(importlib_metadata.version(distribution))
    except importlib_metadata.PackageNotFoundError:
        return None


def installed_distribution(name: str) -> Any | None:
    """The metadata of an installed distribution; None for one that is not installed."""
    try:
        return importlib_metadata.distribution(name)
    except importlib_metadata.PackageNotFoundError:
        return None


def framework_version() -> str:
    """The installed version of this package; "unknown" when it runs from files that were not installed."""
    return installed_version("pytriton-plugins") or "unknown"


def _find(group: str, kind: type[R]) -> list[R]:
    found = {reference for distribution in _providers(group) for reference in _references(distribution, group, kind)}
    return sorted(found, key=lambda reference: (reference.plugin, reference.distribution, reference.value))


def _providers(group: str) -> Iterator[Any]:
    """The distributions with entry points of ``group``; name and version are read of these only, which is slow."""
    for distribution in importlib_metadata.distributions():
        if group in (distribution.read_text("entry_points.txt") or ""):
            try:
                # Of several with one name Python imports the first on the path, so that one counts.
                yield importlib_metadata.distribution(distribution.metadata["Name"])
            except Exception as error:
                # A broken folder in site-packages must not hide the others.
                log.warning("distribution with %s entry points cannot be read: %s", group, one_line(error))


def _references(distribution: Any, group: str, kind: type[R]) -> Iterator[R]:
    name = distribution.metadata["Name"]
    try:
        selected = list(distribution.entry_points.select(group=group))
    except Exception as error:
        log.warning("entry points of %s cannot be read: %s; install it again", name, one_line(error))
        return
    for point in selected:
        value = point.value.partition("[")[0].strip()
        yield kind(one_line(point.name), one_line(value), name, distribution.version)
