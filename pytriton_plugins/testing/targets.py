"""How a worker, which is another process, can import a marked callable of this one."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, TypeAlias

from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.model.infer_func import declaration_of

Target: TypeAlias = "str | os.PathLike[str] | Callable[..., Any]"
"""A module, a path, either with ``:NAME``, or a marked function or class."""


def target_of(target: Target) -> str:
    """The target as `pytriton-host serve` takes it: for a callable ``package.module:name``, or ``/path/file.py:name``.

    The path is for a file that is not in a package, such as most files of tests. Raises DeclarationError for what a
    worker cannot import: an object, a function that is defined in another one, code without a file.
    """
    if isinstance(target, (str, os.PathLike)):
        return os.fspath(target)
    if declaration_of(target) is None:
        if declaration_of(type(target)) is not None:
            _refuse(type(target), "is an object of this process, which a worker cannot get; pass its class")
        raise DeclarationError(f"{target!r} is not marked; write @infer_func above it")
    module = sys.modules.get(target.__module__)
    name = _name_in(module, target) if module is not None else ""
    if module is None or not name:
        _refuse(target, "has no name at the top of its file, so a worker cannot import it; define it there")
    return f"{_place(module, target)}:{name}"


def _name_in(module: ModuleType, marked: Any) -> str:
    """A name that leads from the module to ``marked``: its own, or that of a variable; empty for none."""
    try:
        found: Any = module
        for part in marked.__qualname__.split("."):
            found = getattr(found, part)
    except AttributeError:
        found = None
    if found is marked:
        return str(marked.__qualname__)
    return next((name for name, value in vars(module).items() if value is marked), "")


def _place(module: ModuleType, marked: Any) -> str:
    file = getattr(module, "__file__", None)
    if module.__name__ == "__main__" and file is None:
        _refuse(marked, "is defined without a file, so a worker cannot import it; write it into a file")
    if file is None or not file.endswith(".py") or (module.__name__ != "__main__" and _is_found(Path(file))):
        return str(module.__name__)
    return os.path.abspath(str(file))


def _is_found(file: Path) -> bool:
    """Whether workers find the module by its name: it is installed, or in a package."""
    installed = {sysconfig.get_path(kind) for kind in ("purelib", "platlib", "stdlib")}
    return (file.parent / "__init__.py").exists() or any(file.is_relative_to(folder) for folder in installed)


def _refuse(marked: Any, problem: str) -> NoReturn:
    name = getattr(marked, "__qualname__", repr(marked))
    raise DeclarationError(f"{name} {problem}, or use call_model, which runs it in this process")
