"""The same manifest twice: with values in it, or with Helm's templates in their place; runs in the called process."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from pytriton_plugins.deploy.manifests.sizing import on_disk, quantity, total
from pytriton_plugins.deploy.manifests.values_schema import Knob


class Values(Protocol):
    """What a manifest is made with; ``entries`` and ``items`` are there only if ``condition`` holds.

    A condition is a value that must be on, ``!VALUE`` that must be off, or ``VALUE=TEXT``.
    """

    @property
    def name(self) -> str:
        """Of the Deployment and of what belongs to it."""

    @property
    def labels(self) -> Any: ...
    @property
    def selector(self) -> Any: ...
    @property
    def image(self) -> str: ...

    def labels_and(self, name: str) -> Any:
        """The labels and those of a value."""

    def __getitem__(self, name: str) -> Any:
        """The value, at a place that takes its kind."""

    def text(self, name: str) -> str:
        """The value, at a place that takes text."""

    def number(self, name: str, divided_by: int) -> Any:
        """A quotient, rounded up."""

    def digest(self, name: str) -> str:
        """What changes when the value changes."""

    def literal(self, name: str) -> str:
        """A text of several lines, whatever is in it."""

    def memory(self) -> str:
        """Of one replica: its processes, the shared memory of models, and that of clients where there is any."""

    def storage(self) -> str:
        """Of one replica on the node's disk: what plugins may write to /tmp, and the container's log."""

    def entries(self, condition: str, entries: Mapping[str, Any]) -> dict[str, Any]: ...
    def items(self, condition: str, items: Sequence[Any]) -> list[Any]: ...
    def spread(self, name: str) -> dict[str, Any]:
        """The entries of a value that is a mapping, among others."""

    def spread_items(self, name: str) -> list[Any]:
        """The items of a value that is a list, among others."""


@attrs.frozen
class Rendered:
    """With the values themselves."""

    name: str
    knobs: Mapping[str, Any]
    framework_version: str

    @property
    def selector(self) -> dict[str, str]:
        return {"app.kubernetes.io/name": self.name}

    @property
    def labels(self) -> dict[str, str]:
        return {
            **self.selector,
            "app.kubernetes.io/version": label_value(self.knobs["image.tag"] or self.framework_version),
            "app.kubernetes.io/part-of": "pytriton-plugins",
            "app.kubernetes.io/managed-by": "pytriton-host",
        }

    @property
    def image(self) -> str:
        tag = self.knobs["image.tag"]
        return f"{self.knobs['image.repository']}{':' if tag else ''}{tag}"

    def labels_and(self, name: str) -> dict[str, str]:
        return {**self.labels, **self.knobs[name]}

    def __getitem__(self, name: str) -> Any:
        return self.knobs[name]

    def text(self, name: str) -> str:
        return str(self.knobs[name])

    def number(self, name: str, divided_by: int) -> int:
        return -(-int(self.knobs[name]) // divided_by)

    def digest(self, name: str) -> str:
        import hashlib

        return hashlib.sha256(self.text(name).encode()).hexdigest()

    def literal(self, name: str) -> str:
        return self.text(name)

    def memory(self) -> str:
        return quantity(total(self.knobs))

    def storage(self) -> str:
        return quantity(on_disk(self.knobs))

    def is_on(self, condition: str) -> bool:
        name, equals, text = condition.partition("=")
        if equals:
            return bool(self.knobs[name] == text)
        wanted = not condition.startswith("!")
        return bool(self.knobs[condition.lstrip("!")]) == wanted

    def entries(self, condition: str, entries: Mapping[str, Any]) -> dict[str, Any]:
        return dict(entries) if self.is_on(condition) else {}

    def items(self, condition: str, items: Sequence[Any]) -> list[Any]:
        return [*items] if self.is_on(condition) else []

    def spread(self, name: str) -> dict[str, Any]:
        return dict(self.knobs[name])

    def spread_items(self, name: str) -> list[Any]:
        return [*self.knobs[name]]


@attrs.frozen
class Templated:
    """With templates of a chart; see yaml_text.py for the marks."""

    knobs: Mapping[str, Knob]
    _numbers: itertools.count[int] = attrs.field(factory=itertools.count, init=False)
    name: str = '⟦include "pytriton.fullname" .⟧'
    labels: str = '⟦block include "pytriton.labels" .⟧'
    selector: str = '⟦block include "pytriton.selector" .⟧'
    image: str = '⟦include "pytriton.image" .⟧'

    def labels_and(self, name: str) -> dict[str, Any]:
        return {self._mark('lines include "pytriton.labels" .'): None, **self.spread(name)}

    def __getitem__(self, name: str) -> str:
        kind = self.knobs[name].kind
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
        """Of what belongs to the release and is none of its replicas."""
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
        # Keys of one mapping must differ.
        return f"⟦{text}~{next(self._numbers)}⟧"


def label_value(text: str) -> str:
    """``text`` as the value of a label, as the chart's helper ``pytriton.version`` makes it."""
    return text.replace("+", "_")[:63].strip("-_.")


def _test(condition: str) -> str:
    name, equals, text = condition.partition("=")
    if equals:
        return f'eq .Values.{name} "{text}"'
    return f"not .Values.{condition[1:]}" if condition.startswith("!") else f".Values.{condition}"
