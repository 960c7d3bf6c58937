"""Reads repositories: each folder in them is a model, or has a reason why it is none."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytriton_plugins.discovery.references import RepositoryReference
from pytriton_plugins.discovery.repositories import folder_of
from pytriton_plugins.errors import DiscoveryError, ServerError
from pytriton_plugins.host.repositories import configs
from pytriton_plugins.host.repositories.folders import CONFIG, check_links, config_text, model_folders, version_folders
from pytriton_plugins.host.repositories.found import FoundModel, FoundRepository
from pytriton_plugins.host.triton.repository import BACKEND
from pytriton_plugins.model.declaration import wrong_name
from pytriton_plugins.text import one_line

_LOG = logging.getLogger("pytriton.host")


def read_repository(reference: RepositoryReference, backends: Sequence[Path]) -> FoundRepository:
    """The repository of ``reference``; what is wrong is in it. ``backends``: the folders that tritonserver looks in."""
    try:
        folder = folder_of(reference)
        models = tuple(read_model(path, reference, backends) for path in model_folders(folder))
    except DiscoveryError as error:
        return FoundRepository(reference, error=str(error))
    except FileNotFoundError:
        return FoundRepository(reference, error=f"{_shown(folder)} does not exist; correct the path or create it")
    except NotADirectoryError:
        return FoundRepository(
            reference, error=f"{_shown(folder)} is not a folder; name the folder that has the models"
        )
    except OSError as error:
        problem = f"{_shown(folder)} cannot be read: {error.strerror}; correct its permissions"
        return FoundRepository(reference, error=problem)
    except ServerError as error:
        return FoundRepository(reference, error=f"{_shown(folder)}: {error}")
    problem = "" if models else f"{_shown(folder)} has no model; put a folder with {CONFIG} into it"
    return FoundRepository(reference, models, problem)


def read_model(folder: Path, reference: RepositoryReference, backends: Sequence[Path]) -> FoundModel:
    """The model in ``folder``; its error if it cannot be served."""
    name = one_line(folder.name, 80)
    try:
        return _read(folder, reference, backends)
    except OSError as error:
        problem = f"its folder cannot be read: {error.strerror}; correct its permissions"
    except ServerError as error:
        problem = str(error)
    except Exception:  # one folder must not end the start of all models
        _LOG.exception("model %s of repository %s: internal error", name, reference.label)
        problem = "internal error; report it with the traceback in the log"
    return FoundModel(name, folder, reference, error=problem)


def _read(folder: Path, reference: RepositoryReference, backends: Sequence[Path]) -> FoundModel:
    if problem := wrong_name(folder.name):
        raise ServerError(one_line(problem).replace('write name="…" with', "name the folder with"))
    check_links(folder, folder_of(reference))
    config = configs.as_json(configs.parsed(config_text(folder), folder.name))
    backend = configs.backend_of(config)
    configs.check_files(config)
    configs.check_tensor_names(config)
    versions = configs.served_versions(config, version_folders(folder))
    steps = configs.steps_of(config) if backend == configs.ENSEMBLE else ()
    if not steps:
        _check_backend(backend, folder, backends)
    declaration = configs.declared(config, versions[-1])
    return FoundModel(folder.name, folder, reference, versions, config, steps, declaration)


def _check_backend(backend: str, folder: Path, backends: Sequence[Path]) -> None:
    """Raises ServerError unless tritonserver, or the model itself, has the backend; no folders: not known here."""
    in_model = (found for found in (folder, *folder.iterdir()) if (found / f"libtriton_{backend}.so").is_file())
    if backends and not any((each / backend).is_dir() for each in backends) and not any(in_model):
        there = ", ".join(_names(backends)) or "none"
        raise ServerError(
            f"tritonserver has no backend {backend} (it has {there}); install one that has it, or name another "
            "with --tritonserver"
        )


def _names(backends: Sequence[Path]) -> Iterator[str]:
    yield configs.ENSEMBLE
    for folder in backends:
        if folder.is_dir():
            yield from sorted(one_line(each.name, 40) for each in folder.iterdir() if each.name != BACKEND)


def _shown(folder: Path) -> str:
    return one_line(folder)
