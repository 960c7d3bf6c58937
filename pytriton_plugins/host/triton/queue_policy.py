"""Which batching of a `triton_config` our backend sees to itself, and which is left to Triton; runs in the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.wire import QueuePolicy

_OURS = ("default_queue_policy", "preferred_batch_size", "max_queue_delay_microseconds")
_LIMITS = {"max_queue_size", "default_timeout_microseconds", "allow_timeout_override", "timeout_action"}


def own_policy(model: ModelDeclaration) -> QueuePolicy:
    """What the backend sees to: limits of the queue, and with one of them all else for which a request may wait.

    Triton would count what waits in its own queue only, and what this backend has fetched for the next batch not.
    Nothing is ours without a limit, with what only Triton knows (priorities), and with a mistake, which Triton reports.
    """
    batching = _batching(model.triton_config)
    limits = batching.get("default_queue_policy", {})
    if not isinstance(limits, Mapping) or _needs_triton(batching, limits):
        return QueuePolicy()
    size, timeout = limits.get("max_queue_size", 0), limits.get("default_timeout_microseconds", 0)
    own_timeouts = limits.get("allow_timeout_override", False)
    delay, preferred = batching.get("max_queue_delay_microseconds", 0), batching.get("preferred_batch_size", ())
    numbers_are_right = all(_is_count(number) for number in (size, timeout, delay)) and isinstance(own_timeouts, bool)
    if not numbers_are_right or not (size or timeout) or not _are_sizes(preferred, model.max_batch_size):
        return QueuePolicy()
    return QueuePolicy(size, timeout / 1e6, own_timeouts, delay / 1e6, tuple(sorted(set(preferred))))


def for_triton(model: ModelDeclaration) -> dict[str, Any]:
    """The ``triton_config`` without what the backend sees to; it has no batcher if nothing else is left."""
    config = model.triton_config
    if own_policy(model) == QueuePolicy():
        return dict(config)
    batching = {key: value for key, value in config["dynamic_batching"].items() if key not in _OURS}
    others = {key: value for key, value in config.items() if key != "dynamic_batching"}
    return {**others, "dynamic_batching": batching} if batching else others


def _needs_triton(batching: Mapping[str, Any], limits: Mapping[str, Any]) -> bool:
    has_priorities = bool(batching.get("priority_levels") or batching.get("priority_queue_policy"))
    return has_priorities or not set(limits) <= _LIMITS or limits.get("timeout_action", "REJECT") != "REJECT"


def _batching(config: Mapping[str, Any]) -> Mapping[str, Any]:
    batching = config.get("dynamic_batching")
    return batching if isinstance(batching, Mapping) else {}


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**32


def _are_sizes(value: object, most: int) -> bool:
    return isinstance(value, (list, tuple)) and all(type(size) is int and 1 <= size <= most for size in value)
