"""Model plugins that are installed for another interpreter: that interpreter is asked; runs in the host process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line

TIMEOUT = 20.0
"""Seconds that an interpreter gets to say what is installed for it."""

# Standard library only: nothing of ours need be found for it to answer, so that what is missing can be said. As for
# workers, what lies in the current folder stands in for nothing that is installed.
_ASK = """
import sys
sys.path[:1] = [] if sys.path[0] == "" else sys.path[:1]
import importlib.metadata, importlib.util, json
found = []
for point in importlib.metadata.entry_points(group="pytriton_plugins.models"):
    dist = point.dist
    found.append([point.name, point.value.partition("[")[0].strip(), dist.metadata["Name"], dist.version])
missing = [name for name in ("pytriton_plugins", "numpy") if importlib.util.find_spec(name) is None]
print(json.dumps({"found": sorted(found), "missing": missing, "version": list(sys.version_info[:2])}))
"""


def find_models_of(python: Path, here: Sequence[ModelReference]) -> list[ModelReference]:
    """The model plugins that are installed for ``python`` and not ``here``; ConfigError for one that cannot serve."""
    known = {(reference.plugin, reference.distribution) for reference in here}
    said = _ask(python)
    if tuple(said["version"]) < (3, 10):
        raise ConfigError(f"environment {python}: it is Python {_dotted(said['version'])}; 3.10 or newer is needed")
    references = [
        ModelReference(one_line(plugin), one_line(value), distribution, version, python=str(python))
        for plugin, value, distribution, version in said["found"]
        if (plugin, distribution) not in known
    ]
    if references and said["missing"]:
        missing = " and ".join(said["missing"])
        raise ConfigError(
            f"environment {python}: it lacks {missing}; run: {python} -m pip install --no-deps pytriton-plugins, and "
            "install numpy there"
        )
    return references


def _ask(python: Path) -> dict[str, Any]:
    # Not -I: what PYTHONPATH names is there when the worker runs, too.
    command = [str(python), "-c", _ASK]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)
    except OSError as error:
        raise ConfigError(f"environment {python} cannot be run: {error.strerror}; correct [[environments]]") from None
    except subprocess.TimeoutExpired:
        raise ConfigError(f"environment {python} did not say within {TIMEOUT:g} s what is installed for it") from None
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise ConfigError(f"environment {python} is no Python 3.10 or newer: {one_line(last)}") from None
    result: dict[str, Any] = answer
    return result


def _dotted(version: Sequence[object]) -> str:
    return ".".join(map(str, version))
