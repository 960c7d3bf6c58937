"""Checks of a hook plugin before its registration: mistakes that pluggy would accept silently."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any

from pytriton_plugins.errors import HookError
from pytriton_plugins.hooks import specs
from pytriton_plugins.hooks.markers import PREFIX, PROJECT
from pytriton_plugins.text.suggestions import suggestion

_MARK = f"{PROJECT}_impl"


def check_plugin(plugin: object, label: str, known: frozenset[str]) -> None:
    """HookError unless ``plugin`` is a module or object whose ``pytriton_…`` functions are all marked, known hooks."""
    if inspect.isclass(plugin):
        raise HookError(
            f"hook plugin {label}: {plugin.__qualname__} is a class; write an instance in its module, "
            f"such as plugin = {plugin.__qualname__}(), and name that in the entry point"
        )
    marked = list(_marked(plugin))
    _refuse_unmarked(plugin, label, {name for name, _ in marked})
    if not marked:
        raise HookError(f"hook plugin {label}: it has no hooks; mark its pytriton_… functions with @hookimpl")
    for name, options in marked:
        hook = _check_options(label, name, options, known)
        _check_parameters(f"hook plugin {label}: {name}", hook, getattr(plugin, name))


def _refuse_unmarked(plugin: object, label: str, marked: set[str]) -> None:
    """Refuse hooks that would never be called: without the decorator, or partials."""
    for name in dir(plugin):
        if not name.startswith(PREFIX) or name in marked:
            continue
        member = inspect.getattr_static(plugin, name)
        if isinstance(member, functools.partial):
            raise HookError(f"hook plugin {label}: {name} is a functools.partial; write a function with @hookimpl")
        if inspect.isroutine(member):
            raise HookError(f"hook plugin {label}: {name} is not marked; write @hookimpl above it")


def _marked(plugin: object) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in dir(plugin):
        member = inspect.getattr_static(plugin, name)
        if inspect.isroutine(member) or isinstance(member, (staticmethod, classmethod)):
            options = getattr(member, _MARK, None) or getattr(getattr(member, "__func__", None), _MARK, None)
            if isinstance(options, dict):
                yield name, options


def _check_options(label: str, name: str, options: dict[str, Any], known: frozenset[str]) -> str:
    """The hook that the function implements."""
    hook = options.get("specname") or name
    if hook not in known:
        hint = suggestion(hook, known) or f"; the hooks are {', '.join(sorted(known))}"
        raise HookError(f"hook plugin {label}: unknown hook {hook}{hint}")
    if options.get("wrapper") or options.get("hookwrapper"):
        # The calling rules call the implementations one by one; a wrapper would never run.
        raise HookError(f"hook plugin {label}: {name} is a wrapper, which is not supported; write a plain @hookimpl")
    return str(hook)


def _check_parameters(where: str, hook: str, function: Any) -> None:
    """Parameters are passed by name; one with a default may be unknown, because another version may have it."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise HookError(f"{where} is async, which is not supported; write a plain function")
    known = list(inspect.signature(getattr(specs, hook)).parameters)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY):
            raise HookError(f"{where} takes {parameter}, which is never passed; write the parameters by their names")
        if parameter.name not in known and parameter.default is parameter.empty:
            hint = suggestion(parameter.name, known) or f"; the parameters are {', '.join(known)}"
            raise HookError(f"{where} has the unknown parameter {parameter.name}{hint}")
