"""Values that an operator may change in the manifests: named, documented, checked; runs in the called process."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion

_TYPES: dict[str, tuple[type, str]] = {
    "string": (str, "text"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
    "object": (dict, "a mapping, such as '{disk: ssd}'"),
    "array": (list, "a list, such as '[{name: A, value: b}]'"),
}


@attrs.frozen
class Knob:
    """One value: its dotted ``name``, what it is unless set, what it is for, and what JSON Schema says of it."""

    name: str
    default: Any
    text: str
    schema: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.schema["type"])

    def read(self, text: str) -> Any:
        """What ``text`` after ``NAME=`` means; ConfigError for what does not go."""
        from pytriton_plugins.deploy.manifests.yaml_text import load

        value = text if self.kind == "string" else load(text, f"--set {self.name}")
        problem = self._problem(value)
        if problem:
            raise ConfigError(f"--set {self.name}={one_line(text)}: {problem}")
        return value

    def _problem(self, value: Any) -> str:
        kind, said = _TYPES[self.kind]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            return f"write {said}"
        least, pattern = self.schema.get("minimum"), self.schema.get("pattern")
        if least is not None and value < least:
            return f"write {least} or more"
        if pattern is not None and not re.search(pattern, str(value)):
            return f"write for example {self.default}"
        if value not in self.schema.get("enum", [value]):
            return f"write {' or '.join(self.schema['enum'])}"
        return ""


SIZE = "^[1-9][0-9]*(Mi|Gi)$"
"""A quantity of memory, in two of the units that Kubernetes knows: the chart has to add them up."""


def text(name: str, default: str, said: str, **schema: Any) -> Knob:
    return Knob(name, default, said, {"type": "string", **schema})


def whole(name: str, default: int, said: str, least: int = 0) -> Knob:
    return Knob(name, default, said, {"type": "integer", "minimum": least})


def switch(name: str, default: bool, said: str) -> Knob:
    return Knob(name, default, said, {"type": "boolean"})


def mapping(name: str, default: dict[str, Any], said: str) -> Knob:
    return Knob(name, default, said, {"type": "object"})


def items(name: str, default: list[Any], said: str) -> Knob:
    return Knob(name, default, said, {"type": "array"})


def changed(knobs: Iterable[Knob], settings: Iterable[str]) -> list[Knob]:
    """With what ``settings`` (``NAME=VALUE`` each) say over the defaults; ConfigError for an unknown name."""
    by_name = {knob.name: knob for knob in knobs}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {one_line(setting)}: write NAME=VALUE")
        if name not in by_name:
            raise ConfigError(
                f"--set {one_line(name)}: there is no such value{suggestion(name, by_name)}; --values shows them all"
            )
        by_name[name] = attrs.evolve(by_name[name], default=by_name[name].read(value))
    return [*by_name.values()]


def tree(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as nested mappings."""
    made: dict[str, Any] = {}
    for name, value in values.items():
        *folders, last = name.split(".")
        place = made
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return made
