"""The plugins of models and repositories that another Python interpreter has, as that interpreter lists them."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytriton_plugins.discovery.entry_points import framework_version
from pytriton_plugins.discovery.references import ModelReference, Reference, RepositoryReference
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line

log = logging.getLogger("pytriton.discovery")

TIMEOUT = 20.0
"""Seconds that an interpreter may take to list its plugins."""

# Standard library only: it must answer where this package is missing, so that a message can say so. As for workers,
# no file in the current folder replaces an installed module.
_LIST_PLUGINS = """
import sys
sys.path[:1] = [] if sys.path[0] == "" else sys.path[:1]
import importlib.metadata, importlib.util, json
found = []
for point in importlib.metadata.entry_points(group="pytriton_plugins.models"):
    dist = point.dist
    found.append([point.name, point.value.partition("[")[0].strip(), dist.metadata["Name"], dist.version])
repositories = []
for point in importlib.metadata.entry_points(group="pytriton_plugins.repositories"):
    top, _, rest = point.value.partition("[")[0].strip().partition(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    folder = "/".join([str(folders[0]), *rest.split(".")]).rstrip("/") if folders else ""
    repositories.append([point.name, point.value, point.dist.metadata["Name"], point.dist.version, folder])
missing = [name for name in ("pytriton_plugins", "numpy") if importlib.util.find_spec(name) is None]
try:
    framework = importlib.metadata.version("pytriton-plugins")
except importlib.metadata.PackageNotFoundError:
    framework = ""
answer = {"found": sorted(found), "missing": missing, "version": list(sys.version_info[:2]), "framework": framework}
answer["repositories"] = sorted(repositories)
print(json.dumps(answer))
"""


def find_models_of(python: Path, here: Sequence[ModelReference]) -> list[ModelReference]:
    """The model plugins installed for ``python`` that are not among ``here``; ConfigError if it cannot serve them."""
    known = {(reference.plugin, reference.distribution) for reference in here}
    answer = _ask(python)
    if tuple(answer["version"]) < (3, 10):
        raise ConfigError(f"environment {python}: Python {_dotted(answer['version'])} is too old; use 3.10 or newer")
    references = [
        ModelReference(one_line(plugin), one_line(value), distribution, version, python=str(python))
        for plugin, value, distribution, version in answer["found"]
        if (plugin, distribution) not in known
    ]
    if references and answer["missing"]:
        missing = " and ".join(answer["missing"])
        raise ConfigError(
            f"environment {python}: {missing} not installed; run: {python} -m pip install --no-deps pytriton-plugins, "
            "and install numpy there"
        )
    if references:
        _warn_of_another_version(python, answer["framework"])
    return references


def find_repositories_of(python: Path, here: Sequence[Reference]) -> list[RepositoryReference]:
    """The model repositories installed for ``python`` that are not among ``here``; ConfigError if it cannot be asked.

    Triton reads their files, so that interpreter needs neither this package nor numpy.
    """
    known = {(reference.plugin, reference.distribution) for reference in here}
    return [
        RepositoryReference(one_line(plugin), one_line(value), distribution, version, str(python), folder)
        for plugin, value, distribution, version, folder in _ask(python)["repositories"]
        if (plugin, distribution) not in known
    ]


def _warn_of_another_version(python: Path, theirs: str) -> None:
    """The protocol of workers may be another one, or not; the daemon checks that when one starts."""
    ours = framework_version()
    if theirs and theirs != ours:
        log.warning(
            "environment %s has pytriton-plugins %s, the daemon %s; install the daemon's version: "
            "%s -m pip install --no-deps pytriton-plugins==%s",
            *(python, one_line(theirs), ours, python, ours),
        )


def _ask(python: Path) -> dict[str, Any]:
    # Not -I: the worker gets PYTHONPATH too.
    command = [str(python), "-c", _LIST_PLUGINS]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)
    except OSError as error:
        raise ConfigError(f"environment {python} cannot be run: {error.strerror}; correct [[environments]]") from None
    except subprocess.TimeoutExpired:
        raise ConfigError(f"environment {python}: timed out after {TIMEOUT:g} s while it listed its plugins") from None
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        last = (done.stderr.strip() or "no output").splitlines()[-1]
        raise ConfigError(f"environment {python} is not Python 3.10 or newer: {one_line(last)}") from None
    result: dict[str, Any] = answer
    return result


def _dotted(version: Sequence[object]) -> str:
    return ".".join(map(str, version))
