"""Which queue limits of a `triton_config` our backend keeps itself, and which are left to Triton; runs in the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

_OURS = {"max_queue_size", "default_timeout_microseconds", "timeout_action"}


class QueuePolicy(NamedTuple):
    """``size``: requests of the model that may wait for a worker; ``timeout``: how many seconds each. 0: any."""

    size: int = 0
    timeout: float = 0.0


def own_policy(config: Mapping[str, Any]) -> QueuePolicy:
    """What the backend sees to: a limit and a time-out, and nothing that only Triton knows of a request.

    Triton would count what waits in its own queue only, and what this backend has fetched for the next batch not.
    """
    policy = _policy(config)
    if not policy or not set(policy) <= _OURS or _priorities(config):
        return QueuePolicy()
    size, timeout = policy.get("max_queue_size", 0), policy.get("default_timeout_microseconds", 0)
    if policy.get("timeout_action", "REJECT") != "REJECT" or not _is_count(size) or not _is_count(timeout):
        return QueuePolicy()
    return QueuePolicy(size, timeout / 1e6)


def for_triton(config: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` without what the backend sees to; no batcher of Triton's is left of it if it said nothing else."""
    if own_policy(config) == QueuePolicy():
        return dict(config)
    batching = {key: value for key, value in config["dynamic_batching"].items() if key != "default_queue_policy"}
    others = {key: value for key, value in config.items() if key != "dynamic_batching"}
    return {**others, "dynamic_batching": batching} if batching else others


def _policy(config: Mapping[str, Any]) -> Mapping[str, Any]:
    policy = _batching(config).get("default_queue_policy")
    return policy if isinstance(policy, Mapping) else {}


def _priorities(config: Mapping[str, Any]) -> bool:
    batching = _batching(config)
    return bool(batching.get("priority_levels") or batching.get("priority_queue_policy"))


def _batching(config: Mapping[str, Any]) -> Mapping[str, Any]:
    batching = config.get("dynamic_batching")
    return batching if isinstance(batching, Mapping) else {}


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**32
