"""Limits the models' shared memory to a share of the container's memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from pytriton_plugins import hookimpl
from pytriton_plugins.limits import container_memory, machine_memory
from pytriton_plugins.values import FullAction, Reject, ShmPolicy, Shortage, Wait

ROOT = Path("/")
"""The folder of ``sys`` and ``proc``, which have the limits of the container and the size of the machine."""


@hookimpl
def pytriton_choose_shm_policy(default: ShmPolicy, settings: Mapping[str, Any]) -> ShmPolicy:
    """A part of the limit for each model."""
    share, models = settings.get("share", 0.5), settings.get("models", 1)
    if not 0 < share <= 1 or models < 1:
        raise ValueError(
            f"[plugins.memory-guard]: share is {share} and models {models}; write 0 < share <= 1, models >= 1"
        )
    part = int(limit() * share / models)
    return attrs.evolve(default, max=max(default.initial, min(default.max, part)))


@hookimpl
def pytriton_choose_shm_full_action(shortage: Shortage, settings: Mapping[str, Any]) -> FullAction:
    """Wait if the batch can fit at all, else refuse it at once."""
    wait = settings.get("wait", 0.0)
    if wait > 0 and shortage.needed <= shortage.policy.max:
        return Wait(min(wait, 4.0))
    return Reject("memory-guard keeps the model's shared memory within its part of the container's limit")


def limit() -> int:
    """Bytes that this container may use; the machine's memory for a container without a limit."""
    return container_memory(ROOT) or machine_memory(ROOT)
