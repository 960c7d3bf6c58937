"""The repositories that the configuration leaves: named folders, and those that installed distributions provide."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from pytriton_plugins.config.overrides import is_required_of
from pytriton_plugins.config.tables import ModelSettings
from pytriton_plugins.discovery.entry_points import find_repositories
from pytriton_plugins.discovery.environments import find_repositories_of
from pytriton_plugins.discovery.references import RepositoryReference
from pytriton_plugins.discovery.repositories import configured_repository
from pytriton_plugins.discovery.selection import chosen
from pytriton_plugins.host.repositories.checks import checked
from pytriton_plugins.host.repositories.found import FoundModel, FoundRepository
from pytriton_plugins.host.repositories.loading import RepositoryLoader
from pytriton_plugins.host.repositories.models import RepositoryModels
from pytriton_plugins.host.repositories.reading import read_repository
from pytriton_plugins.host.triton.repository import CATEGORY

if TYPE_CHECKING:
    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.host.repositories.context import RepositoryContext

_LOG = logging.getLogger("pytriton.host")


def installed_repositories(config: HostConfig) -> list[RepositoryReference]:
    """Those of all distributions, here and in other environments; raises ConfigError for an interpreter."""
    found = find_repositories()
    for environment in config.tables.environments:
        found += find_repositories_of(environment.python, found)
    return found


def repository_references(config: HostConfig) -> list[RepositoryReference]:
    """The repositories to serve; installed ones are chosen as plugins are. Raises ConfigError as above."""
    named = [configured_repository(folder) for folder in config.model_repositories]
    installed = installed_repositories(config) if config.serves_installed else []
    return [*named, *chosen(installed, config.plugins, config.disable)]


def read_repositories(config: HostConfig, backends: Sequence[Path] = ()) -> list[FoundRepository]:
    """The repositories to serve and their enabled models; what is wrong with one is in it.

    ``backends``: the folders of tritonserver's backends; none if it is not known.
    """
    read = [read_repository(reference, backends) for reference in repository_references(config)]
    return [_configured(config, each) for each in checked([_enabled(config, each) for each in read])]


def repository_models(config: HostConfig, folder: Path, host: RepositoryContext) -> RepositoryModels:
    """What keeps the models of repositories; ``folder``: the repository that tritonserver is started with."""
    return RepositoryModels(host, RepositoryLoader(folder, config.load_timeout), shared=CATEGORY in config.allow)


def _enabled(config: HostConfig, repository: FoundRepository) -> FoundRepository:
    disabled = frozenset(model.name for model in repository.models if not config.model(model.name).enabled)
    models = tuple(model for model in repository.models if model.name not in disabled)
    return attrs.evolve(repository, models=models, disabled=disabled)


def _configured(config: HostConfig, repository: FoundRepository) -> FoundRepository:
    names = repository.reference.names
    models = [attrs.evolve(each, required=is_required_of(config, each.name, names)) for each in repository.models]
    return attrs.evolve(repository, models=tuple(models), required=names.isdisjoint(config.optional))


def warn_of_unused_tables(config: HostConfig, models: Collection[FoundModel]) -> None:
    """One line for each ``[models.NAME]`` with keys that have no effect on a model of a repository."""
    for model in models:
        table = config.model(model.name)
        if table != ModelSettings(enabled=table.enabled, required=table.required):
            _LOG.warning(
                "[models.%s]: a model of a repository has enabled and required only; write the rest into %s",
                model.name,
                model.folder / "config.pbtxt",
            )
