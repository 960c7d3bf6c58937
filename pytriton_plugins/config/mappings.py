"""Tables of configurations, copied and put over each other; runs in the host process."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any


def copied(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same tables, in which changes do not show."""
    return copy.deepcopy(values)


def merge(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """``ours`` with ``theirs`` put over it: tables are merged, everything else is replaced."""
    result = dict(ours)
    for key, value in theirs.items():
        below = result.get(key)
        result[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
