"""`Callee`: a model that another one declares it calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

_MAX_NAME = 255
"""Characters: the name is that of a folder. Models of repositories have names that `@infer_func` refuses."""


class Callee(NamedTuple):
    """A model that another one calls. ``version`` 0: the version that Triton chooses."""

    name: str
    version: int = 0

    def __str__(self) -> str:
        return f"{self.name} version {self.version}" if self.version else self.name

    def is_served_by(self, name: str, version: int) -> bool:
        """Whether a call of it may reach this version of this model."""
        return self.name == name and self.version in (0, version)


def is_callee_name(name: object) -> bool:
    """Whether a model of Triton can have this name."""
    return (
        isinstance(name, str)
        and 1 <= len(name) <= _MAX_NAME
        and name.isprintable()
        and "/" not in name
        and name.strip(" .") != ""
    )


def callees_from_json(plain: Any) -> tuple[Callee, ...]:
    """The callees of a declaration in JSON, lists of a name and a version."""
    if not isinstance(plain, (list, tuple)) or not all(isinstance(each, (list, tuple)) for each in plain):
        raise ValueError(f"invalid calls {plain!r}")
    return tuple(Callee(*each) for each in plain)


def callees_in_json(callees: Iterable[Callee]) -> list[dict[str, Any]]:
    """The callees as commands print them: a version of null is the one that Triton chooses."""
    return [{"model": callee.name, "version": callee.version or None} for callee in callees]


def callees_problem(callees: Iterable[Callee], name: str, version: int) -> str:
    """The problem of valid ``callees`` of the model ``name``, ``version``; empty for none."""
    seen = set()
    for callee in callees:
        if callee.is_served_by(name, version):
            return f"calls has {callee}, which is the model itself; remove it"
        if callee in seen:
            return f"calls has {callee} twice; remove one"
        seen.add(callee)
    return ""
