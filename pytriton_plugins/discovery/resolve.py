"""The marked callables of a reference. Used in workers only, because it imports the author's module."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from pytriton_plugins.discovery.importing import import_reference
from pytriton_plugins.errors import DiscoveryError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.infer_func import declaration_of
from pytriton_plugins.text import one_line

Resolved = tuple[object, ModelDeclaration]


def resolve(reference: str) -> list[Resolved]:
    """The marked callables of ``reference`` with their declarations, in the order of the source.

    For a module those that it defines, for ``module:name`` exactly that one. DiscoveryError when there is none.
    """
    module, attribute = import_reference(reference)
    if attribute is not None:
        return _one(reference, attribute)
    marked = _marked(module)
    own = [(item, declaration) for _, item, declaration in marked if _home(item) == module.__name__]
    if not own:
        raise DiscoveryError(_nothing_marked(reference, marked))
    _refuse_same_model(reference, own)
    return own


def _one(reference: str, attribute: Any) -> list[Resolved]:
    if isinstance(attribute, ModuleType):
        raise DiscoveryError(f"{reference} is a module; write {attribute.__name__}")
    declaration = declaration_of(attribute)
    if declaration is None:
        raise DiscoveryError(f"{reference} is not marked; write @infer_func above it")
    return [(attribute, declaration)]


def _marked(module: ModuleType) -> list[tuple[str, Any, ModelDeclaration]]:
    """Each marked object once, under the first name that it has in ``module``."""
    found: dict[int, tuple[str, Any, ModelDeclaration]] = {}
    for name, item in list(vars(module).items()):
        # An attribute of an arbitrary object may run its code: only callables are examined.
        declaration = declaration_of(item) if callable(item) else None
        if declaration is not None:
            found.setdefault(id(item), (name, item, declaration))
    return list(found.values())


def _home(item: Any) -> str:
    return str(getattr(item, "__module__", ""))


def _nothing_marked(reference: str, marked: list[tuple[str, Any, ModelDeclaration]]) -> str:
    if not marked:
        return f"{reference} defines no callable marked with @infer_func; mark one, or name the module that does"
    name, item, _ = marked[0]
    home = _home(item)
    return (
        f"{reference} defines no marked callable: {name} is re-exported from {home}; "
        f"write {home}, or {reference}:{name}"
    )


def _refuse_same_model(reference: str, resolved: list[Resolved]) -> None:
    seen: dict[tuple[str, int], str] = {}
    for _, declaration in resolved:
        key = (declaration.name, declaration.version)
        other = seen.setdefault(key, declaration.object_name)
        if other != declaration.object_name:
            raise DiscoveryError(
                f"{reference}: {other} and {declaration.object_name} are both "
                f"model {one_line(key[0])!r} version {key[1]}; give one of them another name= or version="
            )
