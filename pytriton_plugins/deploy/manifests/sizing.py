"""The parts of the memory of one replica."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from pytriton_plugins.config.readers import MIB
from pytriton_plugins.deploy.manifests.plan import DeploymentPlan

HOST, TRITONSERVER = 64 * MIB, 512 * MIB
"""Memory of the daemon, and of tritonserver with its requests and responses."""

CLIENT_SHM = 1 << 30
"""The default size of the clients' own shared memory in a pod, in bytes."""

LOG = 256 * MIB
"""The log on the node's disk: by default the kubelet keeps 5 × 10 MiB of a container's log."""

TMP = "tmpSize"
"""The value with the limit of /tmp."""

PROCESSES, SHARED, CLIENTS, HAS_CLIENTS = (
    "resources.memory",
    "sharedMemory.total",
    "clientSharedMemory.size",
    "clientSharedMemory.enabled",
)
"""The values that add up to the memory of a replica; the last one switches the third on."""


@frozen
class Part:
    """A part of the memory: ``count`` times ``size`` bytes; ``changed_by`` is the option that changes it."""

    name: str
    size: int
    changed_by: str = ""
    count: int = 1

    @property
    def row(self) -> tuple[str, str, str]:
        size = quantity(self.size)
        return self.name, f"{self.count} × {size}" if self.count > 1 else size, self.changed_by


def processes(plan: DeploymentPlan) -> list[Part]:
    """The processes of a replica, as planned."""
    return [
        Part("daemon", HOST),
        Part("tritonserver, with requests and responses", TRITONSERVER),
        *(
            Part(f"workers of {model.name}", model.memory, f"--model-memory {model.name}=SIZE", model.workers)
            for model in plan.models
        ),
    ]


def of_processes(plan: DeploymentPlan) -> int:
    return sum(part.count * part.size for part in processes(plan))


def parts(plan: DeploymentPlan, values: Mapping[str, Any]) -> list[Part]:
    """The parts of the plan, with the values that an operator changed."""
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
    """A size as a quantity of Kubernetes, rounded up to whole MiB."""
    return f"{math.ceil(size / MIB)}Mi"


def size_of(quantity: str) -> int:
    """The bytes of a quantity that matches `values_schema.SIZE`."""
    return int(quantity[:-2]) * MIB * {"Mi": 1, "Gi": 1024}[quantity[-2:]]
