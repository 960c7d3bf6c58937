"""Files with the name of an installed module: one of the two hides the other. Standard library only.

Files beside a served file do not replace installed modules: a library that imports `subprocess` gets Python's, even if
there is a subprocess.py beside the model.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from pytriton_plugins.text.exceptions import is_a, text_of

_MAX_NOTES = 10


def current_folder() -> list[str]:
    """The current folder; empty where it was deleted, because most models do not need it."""
    try:
        return [os.getcwd()]
    except OSError:
        return []


def module_named_like(path: Path) -> str:
    """The origin of the installed module with this file's name; empty where there is none."""
    return _origin(path.stem, _without(path.parent, *map(Path, current_folder())))


def is_module(name: str) -> bool:
    """Whether a worker would find a module of that name."""
    return name.isidentifier() and bool(_origin(name, [*sys.path, *current_folder()]))


def add_to_path(folder: Path) -> None:
    """Make modules of ``folder`` found: after all that are installed, and before those of the working directory."""
    if str(folder) not in sys.path:
        # It may be in PYTHONPATH as well, which comes before all installed modules.
        has_current_last = sys.path[-1:] == current_folder()
        sys.path.insert(len(sys.path) - has_current_last, str(folder))


def notes_of(path: Path) -> list[str]:
    """A line for each file beside the imported ``path`` that hides a module or is hidden by one."""
    notes = [
        f"{file} is hidden by the module {name} ({loaded}); rename it to import it"
        for name, file, loaded in _imported_from_elsewhere(path)
    ]
    others = _without(path.parent)
    for name, file in _beside(path):
        loaded = getattr(sys.modules.get(name), "__file__", None)
        if loaded and name != path.stem and _is_of(loaded, file) and (other := _origin(name, others)):
            notes.append(f"{file} hides the module {name} ({other}); rename it, or remove its folder from PYTHONPATH")
    return notes[:_MAX_NOTES]


def hidden_by(path: Path, error: BaseException) -> str:
    """A hint for an import error of ``path`` that names a module which hides a file beside it."""
    if is_a(error, ImportError, AttributeError):
        for name, file, _ in _imported_from_elsewhere(path):
            if f"'{name}'" in text_of(error):
                return f"; {file} is hidden by that module, rename it"
    return ""


def _imported_from_elsewhere(path: Path) -> Iterator[tuple[str, str, str]]:
    """Names and files beside ``path``, and the file of the imported module that has the name instead."""
    for name, file in _beside(path):
        if name in sys.modules and name != path.stem:
            loaded = getattr(sys.modules[name], "__file__", None)
            if loaded is None or not _is_of(loaded, file):
                yield name, file, loaded or "part of Python"


def _beside(path: Path) -> Iterator[tuple[str, str]]:
    """The names that can be imported from the folder of ``path``, and the file or folder of each."""
    with os.scandir(path.parent) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = entry.name.removesuffix(".py")
            if name.startswith("__") or not name.isidentifier():
                continue
            if name != entry.name or os.path.exists(os.path.join(entry.path, "__init__.py")):
                yield name, entry.path


def _origin(name: str, path: Sequence[str]) -> str:
    if name in sys.builtin_module_names:
        return "part of Python"
    spec = PathFinder.find_spec(name, list(path))
    # A folder without __init__.py is a package only where there is no file of that name.
    return (spec.origin or "") if spec is not None else ""


def _is_of(loaded: str, file: str) -> bool:
    """Whether a module was loaded from the folder of ``file``, or from ``file`` itself, a package's folder."""
    folder = os.path.realpath(os.path.dirname(loaded))
    return folder in (os.path.realpath(os.path.dirname(file)), os.path.realpath(file))


def _without(*folders: Path) -> list[str]:
    """`sys.path` without these folders."""
    excluded = {os.path.realpath(folder) for folder in folders}
    return [each for each in sys.path if os.path.realpath(each) not in excluded]
