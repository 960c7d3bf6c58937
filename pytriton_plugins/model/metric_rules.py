"""Valid names, labels, buckets and values of an author's metrics; workers check them, and the daemon again."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

from pytriton_plugins.text import one_line

Kind = Literal["counter", "gauge", "histogram"]
Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""

KINDS: tuple[Kind, ...] = ("counter", "gauge", "histogram")
PREFIX = "pytriton_model_"
"""Put before the author's name for a metric unless that is turned off: no metric of Triton or the daemon clashes."""

RESERVED_PREFIXES = ("nv_", "pytriton_")
"""Of the metrics of Triton and of the daemon, and of those with `PREFIX`."""

DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MAX_SERIES = 200
"""Of one model: each metric counts once for each set of its labels."""

MAX_NAME, MAX_TEXT, MAX_LABELS, MAX_BUCKETS = 100, 200, 8, 64
MAX_NUMBER = 1e300
"""Sums of such values stay finite."""

RESERVED_LABELS = {"model": "the daemon sets it", "version": "the daemon sets it", "le": "histograms use it"}
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")


def wrong_name(name: object, *, unprefixed: bool = False) -> str:
    """The problem of a metric's name, empty for a valid one; ``unprefixed``: the port shows it without `PREFIX`."""
    if unprefixed and isinstance(name, str) and name.startswith(RESERVED_PREFIXES):
        reserved = " or ".join(RESERVED_PREFIXES)
        return f"metric {one_line(repr(name), 100)}: names that begin with {reserved} are reserved; write another"
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        shown = one_line(repr(name), 100)
        return f"metric {shown}: write a name of letters, digits, _ and :, at most {MAX_NAME}, no digit first"
    return ""


def names_on_port(kind: str, name: str) -> tuple[str, ...]:
    """The names that the metrics port shows for it; no other metric may have any of them."""
    return (name, f"{name}_bucket", f"{name}_sum", f"{name}_count") if kind == "histogram" else (name,)


def wrong_labels(labels: Mapping[str, object]) -> str:
    """The problem of labels, empty for valid ones."""
    if len(labels) > MAX_LABELS:
        return f"{len(labels)} labels; write at most {MAX_LABELS}"
    for name, value in labels.items():
        if name in RESERVED_LABELS:
            return f"label {name}: {RESERVED_LABELS[name]}; write another name"
        if not _LABEL.fullmatch(name) or len(name) > MAX_NAME:
            shown = one_line(repr(name), 100)
            return f"label {shown}: write a name of letters, digits and _, at most {MAX_NAME}, no digit and no __ first"
        if not isinstance(value, str):
            return f"label {name}: its value is a {type(value).__name__}; write text, such as {name}=str(…)"
    return ""


def plain_labels(labels: Mapping[str, str]) -> Labels:
    """Labels sorted by name, their values on one line; an empty value is the same as no label."""
    return tuple((name, one_line(labels[name], MAX_TEXT)) for name in sorted(labels) if labels[name])


def wrong_buckets(buckets: Sequence[object]) -> str:
    """The problem of the upper bounds of buckets, empty for valid ones."""
    if not 1 <= len(buckets) <= MAX_BUCKETS:
        return f"{len(buckets)} buckets; write from 1 to {MAX_BUCKETS} upper bounds"
    if not all(is_number(bound) for bound in buckets):
        return "its buckets are not all numbers; write upper bounds such as (0.1, 0.5, 1.0), without infinity"
    if any(float(low) >= float(high) for low, high in pairwise(buckets)):  # type: ignore[arg-type]
        return "its buckets do not rise; write each upper bound once, from the lowest to the highest"
    return ""


def is_number(value: object) -> bool:
    """Whether it is a finite number up to `MAX_NUMBER`, which can be counted, set, observed or be a bound."""
    return type(value) in (int, float) and -MAX_NUMBER <= value <= MAX_NUMBER  # type: ignore[operator]


def bucket_of(buckets: Sequence[float], value: float) -> int:
    """The index of the bucket of ``value``; the last bucket has no upper bound."""
    return bisect_left(buckets, value)


def kept_in_bucket(buckets: Sequence[float], bucket: int, mean: float) -> float:
    """The mean of the values of a bucket, corrected where rounding moved it out of the bucket."""
    if bucket < len(buckets):
        mean = min(mean, buckets[bucket])
    return mean if bucket == 0 or mean > buckets[bucket - 1] else math.nextafter(buckets[bucket - 1], math.inf)
