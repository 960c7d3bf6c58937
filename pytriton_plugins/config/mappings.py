"""Operations on nested tables of a configuration: a deep copy, and a merge."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any


def copied(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A deep copy."""
    return copy.deepcopy(values)


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the entries of ``override``: tables are merged, all other values are replaced."""
    result = dict(base)
    for key, value in override.items():
        before = result.get(key)
        result[key] = merge(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return result
