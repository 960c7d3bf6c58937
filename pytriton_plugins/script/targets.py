"""What a worker process can import of this program: the target of a callable, a module or a path."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from pytriton_plugins.errors import DiscoveryError
from pytriton_plugins.model.infer_func import declaration_of

_ATTACH = "write it into a file or a module, and mark it with @infer_func there"


def target_of(served: object, folders: Sequence[str]) -> str:
    """The target, as `pytriton-host serve` takes it, of a marked callable, a module, a path or a module's name.

    ``folders``: where workers look for modules. Raises DiscoveryError for what a process of its own cannot import.
    """
    if isinstance(served, str | os.PathLike):
        return _of_text(os.fspath(served))
    if isinstance(served, ModuleType):
        return _module(served.__name__, f"module {served.__name__}", folders)
    return _of_callable(served, folders)


def import_path() -> list[str]:
    """The folders in which this program finds modules."""
    return [str(Path(folder).absolute()) for folder in sys.path if folder and os.path.isdir(folder)]


def _of_text(text: str | bytes) -> str:
    """A path as it is from every folder; a module's name as it stands."""
    target = os.fsdecode(text)
    path, colon, name = target.rpartition(":") if ":" in target else (target, "", "")
    if not path.endswith(".py") and "/" not in path:
        return target
    return f"{Path(path).expanduser().absolute()}{colon}{name}"


def _of_callable(served: Any, folders: Sequence[str]) -> str:
    name = getattr(served, "__qualname__", "")
    what = name or f"an object of type {type(served).__name__}"
    if declaration_of(served) is None:
        raise DiscoveryError(f"{what} is not marked; write @infer_func above it")
    if not name or "<" in name:
        raise DiscoveryError(f"{what} exists in this process only, and a worker cannot import it; {_ATTACH}")
    return f"{_module(str(served.__module__), what, folders)}:{name}"


def _module(name: str, what: str, folders: Sequence[str]) -> str:
    """The module by its name, or by its file where that is the program itself, or where workers do not find it."""
    if name != "__main__":
        file = _source(sys.modules.get(name))
        is_loose = file is not None and file.stem == name and str(file.parent) not in folders
        return str(file) if is_loose else name
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), _source(main)
    if spec is not None and spec.name != "__main__" and not spec.name.endswith(".__main__"):
        return str(spec.name)  # python -m NAME
    if file is None:
        raise DiscoveryError(f"{what} is not in a file, and a worker cannot import it; {_ATTACH}")
    return str(file)


def _source(module: ModuleType | None) -> Path | None:
    """The Python file of a module, if it is one."""
    name = getattr(module, "__file__", None)
    file = Path(name).absolute() if name else None
    return file if file is not None and file.suffix == ".py" and file.is_file() else None
