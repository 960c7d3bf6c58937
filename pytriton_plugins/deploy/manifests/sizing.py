"""What the memory of one replica is made of; runs in the called process."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from pytriton_plugins.config.readers import MIB
from pytriton_plugins.deploy.manifests.plan import Plan

HOST, TRITONSERVER = 64 * MIB, 512 * MIB
"""Of the daemon, and of tritonserver with the requests that it receives and the answers that it sends."""

CLIENT_SHM = 1 << 30
"""Bytes of the clients' own shared memory in a pod, unless the operator says how many."""

LOG = 256 * MIB
"""On the node's disk beside /tmp: the kubelet keeps 5 × 10 MiB of a container's log, unless it is told otherwise."""

TMP = "tmpSize"
"""The value that says how much plugins may write to /tmp."""

PROCESSES, SHARED, CLIENTS, HAS_CLIENTS = (
    "resources.memory",
    "sharedMemory.total",
    "clientSharedMemory.size",
    "clientSharedMemory.enabled",
)
"""The values that the memory of a replica is the sum of; the last says whether the third counts."""


@frozen
class Part:
    """So many bytes, ``count`` times, for ``what``; ``changed_by`` is what an operator would write to change them."""

    what: str
    size: int
    changed_by: str = ""
    count: int = 1

    @property
    def row(self) -> tuple[str, str, str]:
        size = quantity(self.size)
        return self.what, f"{self.count} × {size}" if self.count > 1 else size, self.changed_by


def processes(plan: Plan) -> list[Part]:
    """What the plan knows of the processes of a replica."""
    return [
        Part("daemon", HOST),
        Part("tritonserver, with what it receives and sends", TRITONSERVER),
        *(
            Part(f"workers of {model.name}", model.memory, f"--model-memory {model.name}=SIZE", model.workers)
            for model in plan.models
        ),
    ]


def of_processes(plan: Plan) -> int:
    return sum(part.count * part.size for part in processes(plan))


def parts(plan: Plan, values: Mapping[str, Any]) -> list[Part]:
    """Of the plan, with the values that an operator may have changed."""
    found = processes(plan)
    if size_of(values[PROCESSES]) != math.ceil(of_processes(plan) / MIB) * MIB:
        found = [Part("all processes", size_of(values[PROCESSES]), f"--set {PROCESSES}=SIZE")]
    found.append(Part("shared memory of all models", size_of(values[SHARED]), "--shm-total SIZE"))
    if values[HAS_CLIENTS]:
        found.append(Part("shared memory of clients", size_of(values[CLIENTS]), f"--set {CLIENTS}=SIZE"))
    return found


def total(values: Mapping[str, Any]) -> int:
    """Bytes of one replica."""
    return sum(size_of(values[name]) for name in (PROCESSES, SHARED, *([CLIENTS] if values[HAS_CLIENTS] else [])))


def on_disk(values: Mapping[str, Any]) -> int:
    """Bytes of one replica on the node's disk."""
    return size_of(values[TMP]) + LOG


def quantity(size: int) -> str:
    """Bytes as Kubernetes writes them, rounded up to whole MiB."""
    return f"{math.ceil(size / MIB)}Mi"


def size_of(quantity: str) -> int:
    """Bytes of what `knobs.SIZE` lets through."""
    return int(quantity[:-2]) * MIB * {"Mi": 1, "Gi": 1024}[quantity[-2:]]
