"""The models to serve: the targets of the command line, or every installed model plugin; runs in the host process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytriton_plugins.discovery.entry_points import find_models
from pytriton_plugins.discovery.importing import is_path, split_reference
from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.errors import DiscoveryError


def catalogue(targets: Sequence[str] = ()) -> list[ModelReference]:
    """What to serve, nothing of it imported: ``targets`` as typed, or without any all installed model plugins.

    DiscoveryError has a line for each target that names no module or a file that is not there. May be empty.
    """
    if not targets:
        return find_models()
    found: list[ModelReference] = []
    wrong: list[str] = []
    for target in dict.fromkeys(targets):
        try:
            found.append(_of_target(target))
        except DiscoveryError as error:
            wrong += error.problems
    if wrong:
        raise DiscoveryError(*wrong)
    return found


def _of_target(target: str) -> ModelReference:
    module, attribute = split_reference(target)
    if not is_path(module):
        return ModelReference(target, target)
    path = Path(module).expanduser().absolute()
    if not path.is_file():
        raise DiscoveryError(f"{module} is no file; write the path of a Python file, or a module's name with dots")
    # A worker may run in another folder than the one that the path was typed in.
    return ModelReference(target, f"{path}:{attribute}" if attribute else str(path))
