"""Refuses keywords that a public callable does not take, and names the one that was meant; in author modules."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from pytriton_plugins.suggestions import closest
from pytriton_plugins.text import one_line

F = TypeVar("F", bound=Callable[..., Any])


def known_keywords(what: str, error: Callable[[str], Exception]) -> Callable[[F], F]:
    """Have a call with an unknown keyword raise ``error`` with one line that begins with ``what``.

    Type checkers and `inspect` see the callable as it is written.
    """

    def mark(function: F) -> F:
        code = cast(Any, function).__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        known = {name: None for name in names[code.co_posonlyargcount :] if name != "self"}

        @functools.wraps(function)
        def called(*arguments: Any, **keywords: Any) -> Any:
            for name in keywords:
                if name not in known:
                    raise error(f"{what}: unknown argument {one_line(name)!r}; {_meant(name, known)}")
            return function(*arguments, **keywords)

        return cast(F, called)

    return mark


def _meant(name: str, known: Iterable[str]) -> str:
    meant = closest(name, known)
    return f"write {meant[0]}=" if meant else f"its arguments are {', '.join(known)}"
