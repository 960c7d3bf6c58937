"""What the memory of one replica is made of; runs in the called process."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from pytriton_plugins.deploy.manifests.plan import Plan
from pytriton_plugins.settings import MIB, parse_size

HOST, TRITONSERVER = 64 * MIB, 512 * MIB
"""Of the daemon, and of tritonserver with the requests that it receives and the answers that it sends."""


@frozen
class Part:
    """So many bytes each, for ``what``; ``changed_by`` is what an operator would write to change them."""

    what: str
    size: int
    changed_by: str = ""
    count: int = 1

    @property
    def row(self) -> tuple[str, str, str]:
        return (
            self.what,
            f"{self.count} × {quantity(self.size)}" if self.count > 1 else quantity(self.size),
            self.changed_by,
        )


def parts(plan: Plan, values: Mapping[str, Any]) -> list[Part]:
    """Of the plan, with the values that an operator may have changed."""
    found = [Part("daemon", HOST), Part("tritonserver, with what it receives and sends", TRITONSERVER)]
    found += [
        Part(f"workers of {model.name}", model.memory, f"--model-memory {model.name}=SIZE", model.workers)
        for model in plan.models
    ]
    found.append(Part("shared memory of all models", parse_size(values["sharedMemory.total"]), "--shm-total SIZE"))
    if values["clientSharedMemory.enabled"]:
        size = parse_size(values["clientSharedMemory.size"])
        found.append(Part("shared memory of clients", size, "--set clientSharedMemory.size=SIZE"))
    return found


def total(plan: Plan, values: Mapping[str, Any]) -> int:
    """Bytes of one replica."""
    return sum(part.count * part.size for part in parts(plan, values))


def quantity(size: int) -> str:
    """Bytes as Kubernetes writes them, rounded up to whole MiB."""
    mib = math.ceil(size / MIB)
    return f"{mib // 1024}Gi" if mib % 1024 == 0 else f"{mib}Mi"
