"""Checks the metrics that workers report: no worker is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.model.metric_rules import (
    KINDS,
    MAX_TEXT,
    PREFIX,
    Kind,
    Labels,
    is_number,
    plain_labels,
    wrong_buckets,
    wrong_labels,
    wrong_name,
)
from pytriton_plugins.text import one_line

Values = tuple[tuple[float, int], ...]
"""Each is added to a counter, set in a gauge, or observed in a histogram as often as the second number says."""

_MAX_OBSERVATIONS = 1 << 32
"""Observations of one bucket in one message: more than any worker makes in half a second."""


class Update(NamedTuple):
    """The new values of one series of a model."""

    kind: Kind
    name: str
    """On the port."""

    help: str
    labels: Labels
    buckets: tuple[float, ...]
    values: Values


def read_updates(message: Mapping[str, Any]) -> list[Update]:
    """The updates in a `metrics` message; raises ProtocolError for the first mistake, and none of them counts."""
    changes = message.get("changes")
    if not isinstance(changes, list):
        raise ProtocolError("its changes are not a list")
    return [_update(plain) for plain in changes]


def _update(plain: object) -> Update:
    if not isinstance(plain, dict):
        raise ProtocolError("a change is not an object")
    kind, name, text = (plain.get(key) for key in ("kind", "name", "help"))
    if kind not in KINDS or not isinstance(text, str):
        raise ProtocolError("a change without a kind or help")
    unprefixed = plain.get("unprefixed") is True
    _refuse(wrong_name(name, unprefixed=unprefixed))
    name = str(name) if unprefixed else PREFIX + str(name)
    buckets = _buckets(kind, plain.get("buckets"))
    values = _values(kind, plain.get("changes"), len(buckets) + 1 if buckets else 1)
    return Update(kind, name, one_line(text, MAX_TEXT), _labels(plain.get("labels")), buckets, values)


def _refuse(problem: str) -> None:
    if problem:
        raise ProtocolError(problem)


def _labels(plain: object) -> Labels:
    if not isinstance(plain, dict):
        raise ProtocolError("a change without labels")
    _refuse(wrong_labels(plain))
    return plain_labels(plain)


def _buckets(kind: Kind, plain: object) -> tuple[float, ...]:
    if not isinstance(plain, list) or (kind != "histogram" and plain):
        raise ProtocolError(f"a {kind} whose buckets are not a list, or not needed")
    if kind == "histogram":
        _refuse(wrong_buckets(plain))
    return tuple(float(bound) for bound in plain)


def _values(kind: Kind, plain: object, max_values: int) -> Values:
    if not isinstance(plain, list) or not 1 <= len(plain) <= max_values:
        raise ProtocolError(f"a {kind} without changes, or with too many")
    return tuple(_value(kind, pair) for pair in plain)


def _value(kind: Kind, pair: object) -> tuple[float, int]:
    if not isinstance(pair, list) or len(pair) != 2 or type(pair[1]) is not int or not is_number(pair[0]):
        raise ProtocolError(f"a change of a {kind} that is not a pair of numbers")
    value, count = pair
    if not 1 <= count <= (_MAX_OBSERVATIONS if kind == "histogram" else 1):
        raise ProtocolError(f"a {kind} that changes {count} times")
    if kind == "counter" and value < 0:
        raise ProtocolError("a counter that counts backwards")
    return float(value), count
