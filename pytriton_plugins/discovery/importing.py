"""Imports the module and the attribute that a reference names, and explains what is missing.

Workers import models with it, the daemon and the command line hook plugins. Standard library only.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from pytriton_plugins.discovery.namesakes import add_to_path, hidden_by, module_named_like, notes_of
from pytriton_plugins.errors import DiscoveryError, PytritonPluginsError
from pytriton_plugins.text import one_line
from pytriton_plugins.text.exceptions import info_of, is_a, name_of, text_of

_FORMS = "write pkg.module, pkg.module:name, path/to/model.py or path/to/model.py:name"


def split_reference(reference: str) -> tuple[str, str]:
    """The module or path of ``reference``, and the attribute after the colon ("" for none)."""
    module, colon, attribute = reference.rpartition(":") if ":" in reference else (reference, "", "")
    dotted = attribute.split(".")
    if not module.strip() or (colon and not all(part.isidentifier() for part in dotted)):
        raise DiscoveryError(f"{one_line(reference)!r} does not name a module; {_FORMS}")
    if not is_path(module) and not all(part.isidentifier() for part in module.split(".")):
        raise DiscoveryError(f"{one_line(reference)!r} is neither a module nor a Python file; {_FORMS}")
    if module.partition(".")[0] == "__main__":
        raise DiscoveryError(
            f"{one_line(reference)!r} is the running program, which a worker cannot import; write the path of its "
            "file, such as path/to/model.py:name"
        )
    return module, attribute


def is_path(module: str) -> bool:
    """Whether the first half of a reference is a file's path and not a module's name."""
    return module.endswith(".py") or "/" in module


def import_reference(reference: str) -> tuple[ModuleType, Any]:
    """The module that ``reference`` names, and its attribute (None without one).

    DiscoveryError says whether the module or a dependency of it is missing, and where an import raised.
    """
    name, attribute = split_reference(reference)
    _importing.append(reference)
    try:
        module = _import_file(Path(name)) if is_path(name) else _import_module(name)
    finally:
        _importing.remove(reference)
    target: Any = module if attribute else None
    for part in attribute.split(".") if attribute else ():
        try:
            target = getattr(target, part)
        except AttributeError:
            raise DiscoveryError(f"{name} has no {attribute!r}; write one of its names after the colon") from None
    return module, target


class RestOfScript(BaseException):
    """Ends the import of a script where that would start a `Host`: what stands above is all that a worker needs."""


_importing: list[str] = []
"""The references that are being imported."""


def refuse_to_start_a_host() -> None:
    """Raises RestOfScript while a served file or module is imported: a worker must not start a daemon of its own."""
    if _importing:
        raise RestOfScript("it starts a Host; start that below if __name__ == '__main__':")


_MAX_FILES = 200


def imported_files(reference: str) -> list[str]:
    """The imported files of the module that ``reference`` names and of its package."""
    name, _ = split_reference(reference)
    top = Path(name).stem if is_path(name) else name.partition(".")[0]
    modules = [module for key, module in list(sys.modules.items()) if key == top or key.startswith(f"{top}.")]
    files = {file for module in modules if isinstance(file := getattr(module, "__file__", None), str)}
    return sorted(files)[:_MAX_FILES]


def notes(reference: str) -> list[str]:
    """Warnings about an imported reference, one line each: files beside it that hide modules, or are hidden."""
    name, _ = split_reference(reference)
    return notes_of(Path(name).absolute()) if is_path(name) else []


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except BaseException as error:
        missing = is_a(error, ModuleNotFoundError) and error.name is not None
        if missing and f"{name}.".startswith(f"{error.name}."):  # type: ignore[attr-defined]
            raise DiscoveryError(
                f"module {name} is not installed in {sys.executable}; install it there, or {_FORMS}"
            ) from error
        raise _import_failed(name, error) from error


def _import_file(path: Path) -> ModuleType:
    """Import a file under its stem; files beside it can be imported too, but do not replace installed modules."""
    path = path.absolute()
    if not path.is_file():
        raise DiscoveryError(f"{path} is not a file; {_FORMS}")
    loaded = sys.modules.get(path.stem)
    if loaded is not None:
        if getattr(loaded, "__file__", None) == str(path):
            return loaded
        raise DiscoveryError(f"{path}: a module named {path.stem} is already imported; give the file another name")
    origin = module_named_like(path)
    if origin:
        raise DiscoveryError(f"{path}: there is a module named {path.stem} ({origin}); give the file another name")
    return _execute(path)


class _FromSource(SourceFileLoader):
    """Ignores bytecode, which is stale for a file that was written twice within a second with the same length."""

    def path_stats(self, path: str) -> NoReturn:
        raise OSError


def _execute(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path, loader=_FromSource(path.stem, str(path)))
    if spec is None or spec.loader is None:
        raise DiscoveryError(f"{path} is not a Python file; {_FORMS}")
    module = importlib.util.module_from_spec(spec)
    add_to_path(path.parent)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except RestOfScript:
        pass
    except BaseException as error:
        del sys.modules[path.stem]
        raise _import_failed(str(path), error, hidden_by(path, error)) from error
    return module


def _import_failed(name: str, error: BaseException, hidden: str = "") -> BaseException:
    if is_a(error, KeyboardInterrupt):
        return error
    if is_a(error, ModuleNotFoundError) and error.name:
        return DiscoveryError(
            f"{name} needs the module {error.name}, which is not installed in {sys.executable}; install it there"
            + hidden
        )
    text = error.msg if is_a(error, SyntaxError) else text_of(error)
    kind = name_of(error)
    return DiscoveryError(f"{name} cannot be imported: {kind}: {one_line(text)}{_place(name, error)}{hidden}")


def _place(name: str, error: BaseException) -> str:
    """The line that raised, or with the mistake that this package reports, and its file if it is not ``name``."""
    if is_a(error, SyntaxError):
        file, line = error.filename or "", error.lineno
    else:
        frames = traceback.extract_tb(info_of(error)[2])
        if is_a(error, PytritonPluginsError):
            frames = traceback.StackSummary(frame for frame in frames if not _is_ours(frame.filename))
        file, line = (frames[-1].filename, frames[-1].lineno) if frames else ("", None)
    if line is None:
        return ""
    return f" (line {line})" if _is_file_of(file, name) else f" ({Path(file).name}, line {line})"


def _is_file_of(file: str, name: str) -> bool:
    """Whether ``name``, a path or a module, is imported from ``file``."""
    if is_path(name):
        return file == name
    return file.removesuffix(".py").removesuffix("/__init__").endswith("/" + name.replace(".", "/"))


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(Path(__file__).parents[1])
