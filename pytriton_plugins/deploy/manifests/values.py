"""The two sources of a manifest's values: the values themselves, or Helm's templates for them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from pytriton_plugins.deploy.manifests.sizing import on_disk, quantity, total
from pytriton_plugins.deploy.manifests.values_schema import ValueSpec


class Values(Protocol):
    """The values of a manifest; ``entries`` and ``items`` are left out unless ``condition`` holds.

    A condition is a value that must be on, ``!VALUE`` that must be off, or ``VALUE=TEXT``.
    """

    @property
    def name(self) -> str:
        """The name of the Deployment and of its other objects."""

    @property
    def labels(self) -> Any: ...
    @property
    def selector(self) -> Any: ...
    @property
    def image(self) -> str: ...

    def labels_and(self, name: str) -> Any:
        """The labels, and the labels of a value."""

    def __getitem__(self, name: str) -> Any:
        """The value, for a field of its own type."""

    def text(self, name: str) -> str:
        """The value, for a field that takes text."""

    def number(self, name: str, divided_by: int) -> Any:
        """The value divided, rounded up."""

    def digest(self, name: str) -> str:
        """A hash, which changes with the value."""

    def literal(self, name: str) -> str:
        """A text of several lines with any characters."""

    def memory(self) -> str:
        """The memory of one replica: its processes, the shared memory of models, and that of clients if enabled."""

    def storage(self) -> str:
        """The storage of one replica on the node's disk: /tmp, and the container's log."""

    def entries(self, condition: str, entries: Mapping[str, Any]) -> dict[str, Any]: ...
    def items(self, condition: str, items: Sequence[Any]) -> list[Any]: ...
    def spread(self, name: str) -> dict[str, Any]:
        """The entries of a value that is a mapping, to add to others."""

    def spread_items(self, name: str) -> list[Any]:
        """The items of a value that is a list, to add to others."""


@attrs.frozen
class Rendered:
    """The values themselves."""

    name: str
    values: Mapping[str, Any]
    framework_version: str

    @property
    def selector(self) -> dict[str, str]:
        return {"app.kubernetes.io/name": self.name}

    @property
    def labels(self) -> dict[str, str]:
        return {
            **self.selector,
            "app.kubernetes.io/version": label_value(self.values["image.tag"] or self.framework_version),
            "app.kubernetes.io/part-of": "pytriton-plugins",
            "app.kubernetes.io/managed-by": "pytriton-host",
        }

    @property
    def image(self) -> str:
        tag = self.values["image.tag"]
        return f"{self.values['image.repository']}{':' if tag else ''}{tag}"

    def labels_and(self, name: str) -> dict[str, str]:
        return {**self.labels, **self.values[name]}

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def text(self, name: str) -> str:
        return str(self.values[name])

    def number(self, name: str, divided_by: int) -> int:
        return -(-int(self.values[name]) // divided_by)

    def digest(self, name: str) -> str:
        import hashlib

        return hashlib.sha256(self.text(name).encode()).hexdigest()

    def literal(self, name: str) -> str:
        return self.text(name)

    def memory(self) -> str:
        return quantity(total(self.values))

    def storage(self) -> str:
        return quantity(on_disk(self.values))

    def is_on(self, condition: str) -> bool:
        name, equals, text = condition.partition("=")
        if equals:
            return bool(self.values[name] == text)
        wanted = not condition.startswith("!")
        return bool(self.values[condition.lstrip("!")]) == wanted

    def entries(self, condition: str, entries: Mapping[str, Any]) -> dict[str, Any]:
        return dict(entries) if self.is_on(condition) else {}

    def items(self, condition: str, items: Sequence[Any]) -> list[Any]:
        return [*items] if self.is_on(condition) else []

    def spread(self, name: str) -> dict[str, Any]:
        return dict(self.values[name])

    def spread_items(self, name: str) -> list[Any]:
        return [*self.values[name]]


@attrs.frozen
class Templated:
    """Templates of a chart; see yaml_text.py for the marks."""

    specs: Mapping[str, ValueSpec]
    _numbers: itertools.count[int] = attrs.field(factory=itertools.count, init=False)
    name: str = '⟦include "pytriton.fullname" .⟧'
    labels: str = '⟦block include "pytriton.labels" .⟧'
    selector: str = '⟦block include "pytriton.selector" .⟧'
    image: str = '⟦include "pytriton.image" .⟧'

    def labels_and(self, name: str) -> dict[str, Any]:
        return {self._mark('lines include "pytriton.labels" .'): None, **self.spread(name)}

    def __getitem__(self, name: str) -> str:
        kind = self.specs[name].kind
        if kind in ("object", "array"):
            return f"⟦block toYaml .Values.{name}⟧"
        return f"⟦.Values.{name}{' | quote' if kind == 'string' else ''}⟧"

    def text(self, name: str) -> str:
        return f"⟦.Values.{name} | quote⟧"

    def number(self, name: str, divided_by: int) -> str:
        return f"⟦div (add .Values.{name} {divided_by - 1}) {divided_by}⟧"

    def digest(self, name: str) -> str:
        return f"⟦.Values.{name} | sha256sum⟧"

    def literal(self, name: str) -> str:
        return f"⟦.Values.{name} | toJson⟧"

    def memory(self) -> str:
        return '⟦include "pytriton.memory" .⟧'

    def storage(self) -> str:
        return '⟦include "pytriton.storage" .⟧'

    def labels_of(self, component: str) -> dict[str, Any]:
        """The labels of objects that belong to the release and are not replicas."""
        return {self._mark('lines include "pytriton.about" .'): None, "app.kubernetes.io/component": component}

    def entries(self, condition: str, entries: Mapping[str, Any]) -> dict[str, Any]:
        return {self._mark(f"if {_test(condition)}"): None, **entries, self._mark("end"): None}

    def items(self, condition: str, items: Sequence[Any]) -> list[Any]:
        return [self._mark(f"if {_test(condition)}"), *items, self._mark("end")]

    def spread(self, name: str) -> dict[str, Any]:
        return {self._mark(f"spread .Values.{name}"): None}

    def spread_items(self, name: str) -> list[Any]:
        return [self._mark(f"spread .Values.{name}")]

    def _mark(self, text: str) -> str:
        # The number makes keys of one mapping unique.
        return f"⟦{text}~{next(self._numbers)}⟧"


def label_value(text: str) -> str:
    """``text`` as the value of a label, by the same rules as the chart's helper ``pytriton.version``."""
    return text.replace("+", "_")[:63].strip("-_.")


def _test(condition: str) -> str:
    name, equals, text = condition.partition("=")
    if equals:
        return f'eq .Values.{name} "{text}"'
    return f"not .Values.{condition[1:]}" if condition.startswith("!") else f".Values.{condition}"
