"""What a worker process can import of this program: the target of a callable, a module or a path."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from pytriton_plugins.errors import DiscoveryError
from pytriton_plugins.model.infer_func import declaration_of

Target: TypeAlias = "str | os.PathLike[str] | Callable[..., Any] | ModuleType"
"""A marked callable or a module that can be imported, a path, or the name of a module."""


def target_of(served: object, folders: Sequence[str], instead: str) -> str:
    """The target, as `pytriton-host serve` takes it, of a marked callable, a module, a path or a module's name.

    ``folders``: where workers look for modules. Raises DiscoveryError for what a process of its own cannot import;
    ``instead``: what the message offers to do.
    """
    if isinstance(served, str | os.PathLike):
        return _of_text(os.fspath(served))
    if isinstance(served, ModuleType):
        place = _place(served, folders)
        problem = "" if place else f"module {served.__name__} is not in a file"
    else:
        place, problem = _of_callable(served, folders)
    if problem:
        raise DiscoveryError(f"{problem}, or {instead}")
    return place


def import_path() -> list[str]:
    """The folders in which this program finds modules."""
    return [str(Path(folder).absolute()) for folder in sys.path if folder and os.path.isdir(folder)]


def installed() -> list[str]:
    """The folders in which every program of this interpreter finds modules."""
    return [sysconfig.get_path(kind) for kind in ("purelib", "platlib", "stdlib")]


def _of_text(text: str | bytes) -> str:
    """A path as it is from every folder; a module's name as it stands."""
    target = os.fsdecode(text)
    path, colon, name = target.rpartition(":") if ":" in target else (target, "", "")
    if not path.endswith(".py") and "/" not in path:
        return target
    return f"{Path(path).expanduser().absolute()}{colon}{name}"


def _of_callable(served: Any, folders: Sequence[str]) -> tuple[str, str]:
    """The target, or the problem and what to do."""
    label = getattr(served, "__qualname__", "") or f"an object of type {type(served).__name__}"
    if declaration_of(served) is None:
        if declaration_of(type(served)) is not None:
            return "", f"{label} is in this process only, and a worker cannot import it; pass its class"
        return "", f"{label} is not marked; write @infer_func above it"
    module = sys.modules.get(served.__module__)
    name = _name_in(module, served)
    if module is None or not name:
        return "", f"{label} has no name at the top of its file, and a worker cannot import it; define it there"
    place = _place(module, folders)
    if not place:
        return "", f"{label} is not in a file, and a worker cannot import it; write it into one"
    return f"{place}:{name}", ""


def _name_in(module: ModuleType | None, marked: Any) -> str:
    """A name that leads from the module to ``marked``: its own, or that of a variable; empty for none."""
    found: Any = module
    for part in marked.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is marked:
        return str(marked.__qualname__)
    return next((name for name, value in vars(module).items() if value is marked), "") if module is not None else ""


def _place(module: ModuleType, folders: Sequence[str]) -> str:
    """The name of a module, or its file where workers do not find the name; empty for a program without a file."""
    name, file = module.__name__, _source(module)
    if name == "__main__":
        spec = getattr(module, "__spec__", None)
        name = spec.name if spec is not None else ""
        if name in ("", "__main__") or name.endswith(".__main__"):  # else: python -m NAME
            return str(file or "")
    return name if file is None or _is_found(name, file, folders) else str(file)


def _is_found(name: str, file: Path, folders: Sequence[str]) -> bool:
    """Whether workers find the module by its name: from one of the folders, or as a part of a package."""
    package = file.parent / "__init__.py"
    above = name.count(".") + (file.name == package.name)
    return package.exists() or str(file.parents[min(above, len(file.parents) - 1)]) in folders


def _source(module: ModuleType) -> Path | None:
    """The Python file of a module, if it is one."""
    name = getattr(module, "__file__", None)
    file = Path(name).absolute() if name else None
    return file if file is not None and file.suffix == ".py" and file.is_file() else None
