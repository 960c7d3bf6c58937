"""The models of repositories in the status of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytriton_plugins.model.callee import callees_in_json

if TYPE_CHECKING:
    from pytriton_plugins.host.repositories.model import RepositoryModel
    from pytriton_plugins.host.repositories.models import RepositoryModels
    from pytriton_plugins.values import ModelStatus

Plain = dict[str, Any]


def repository_models(models: RepositoryModels) -> list[Plain]:
    """Each version of each model, with the keys of a plugin's model; what only workers have is empty."""
    return [_model(model, status) for model in models.models.values() for status in model.statuses()]


def broken_repositories(models: RepositoryModels) -> list[Plain]:
    """The repositories, and the models in them, that cannot be read; ``model`` is empty for a repository."""
    return [
        {"plugin": each.label, "model": each.model, "required": each.required, "error": each.error}
        for each in models.broken()
    ]


def summaries(models: RepositoryModels) -> list[Plain]:
    """The models for commands that only need their names and inputs."""
    return [
        {
            "model": model.name,
            "version": version,
            "plugin": model.found.reference.plugin,
            "inputs": [tensor["name"] for tensor in model.found.triton_config.get("input", [])],
        }
        for model in models.models.values()
        for version in model.found.versions
    ]


def name_and_version(model: Plain) -> tuple[str, int]:
    """The order of models."""
    return model["model"], model["version"]


def _model(model: RepositoryModel, status: ModelStatus) -> Plain:
    return {
        "model": status.name,
        "version": status.version,
        "plugin": model.found.reference.label,
        "repository": str(model.found.folder.parent),
        "calls": callees_in_json(model.found.nodes()[0].calls),
        "attached": False,
        "ready": status.ready,
        "reason": status.reason,
        "required": model.required,
        "unloaded": model.unloaded,
        "workers": {"wanted": 0, "live": 0, "pids": []},
        "restarts": 0,
        "memory": {"in_use": 0, "touched": 0, "max": 0},
        "requests": {"in_flight": None, "waiting": None},
    }
