"""The schema of the values that an operator may change in the manifests: name, default, purpose and type."""

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
class ValueSpec:
    """One value: its dotted ``name``, its default, its purpose as ``text``, and its JSON schema."""

    name: str
    default: Any
    text: str
    schema: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.schema["type"])

    def read(self, text: str) -> Any:
        """The value of ``text`` after ``NAME=``; ConfigError for an invalid one."""
        from pytriton_plugins.deploy.manifests.yaml_text import load

        value = text if self.kind == "string" else load(text, f"--set {self.name}")
        problem = self._problem(value)
        if problem:
            raise ConfigError(f"--set {self.name}={one_line(text)}: {problem}")
        return value

    def _problem(self, value: Any) -> str:
        kind, expected = _TYPES[self.kind]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            return f"expected {expected}"
        minimum, pattern = self.schema.get("minimum"), self.schema.get("pattern")
        if minimum is not None and value < minimum:
            return f"expected {minimum} or more"
        if pattern is not None and not re.search(pattern, str(value)):
            return f"expected a value such as {self.default}"
        if value not in self.schema.get("enum", [value]):
            return f"expected {' or '.join(self.schema['enum'])}"
        return ""


SIZE = "^[1-9][0-9]*(Mi|Gi)$"
"""A quantity of memory, in two units of Kubernetes only, for the chart has to add them up."""


def text(name: str, default: str, purpose: str, **schema: Any) -> ValueSpec:
    return ValueSpec(name, default, purpose, {"type": "string", **schema})


def integer(name: str, default: int, purpose: str, minimum: int = 0) -> ValueSpec:
    return ValueSpec(name, default, purpose, {"type": "integer", "minimum": minimum})


def boolean(name: str, default: bool, purpose: str) -> ValueSpec:
    return ValueSpec(name, default, purpose, {"type": "boolean"})


def mapping(name: str, default: dict[str, Any], purpose: str) -> ValueSpec:
    return ValueSpec(name, default, purpose, {"type": "object"})


def items(name: str, default: list[Any], purpose: str) -> ValueSpec:
    return ValueSpec(name, default, purpose, {"type": "array"})


def changed(specs: Iterable[ValueSpec], settings: Iterable[str]) -> list[ValueSpec]:
    """The specs with the defaults of ``settings`` (``NAME=VALUE`` each); ConfigError for an unknown name."""
    by_name = {spec.name: spec for spec in specs}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set: invalid setting {one_line(setting)}: expected NAME=VALUE")
        if name not in by_name:
            raise ConfigError(
                f"--set: unknown value {one_line(name)}{suggestion(name, by_name)}; --values shows all values"
            )
        by_name[name] = attrs.evolve(by_name[name], default=by_name[name].read(value))
    return [*by_name.values()]


def tree(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as nested mappings."""
    root: dict[str, Any] = {}
    for name, value in values.items():
        *parents, last = name.split(".")
        table = root
        for parent in parents:
            table = table.setdefault(parent, {})
        table[last] = value
    return root
