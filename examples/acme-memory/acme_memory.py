# acme_memory.py
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from pytriton_plugins import hookimpl
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.values import MIB, FullAction, Reject, ShmPolicy, Shortage, Wait


@hookimpl
def pytriton_choose_shm_policy(
    model: ModelDeclaration, default: ShmPolicy, settings: Mapping[str, Any]
) -> ShmPolicy | None:
    """Models with image inputs may use more memory."""
    images = settings.get("images", 4096)
    if not isinstance(images, int) or images < 16:
        raise ValueError(
            f"[plugins.acme-memory] images: invalid value {images!r}; write MiB, a whole number from 16 up"
        )
    takes_images = any(tensor.name == "image" for tensor in model.inputs)
    return attrs.evolve(default, max=images * MIB) if takes_images else None


@hookimpl
def pytriton_choose_shm_full_action(shortage: Shortage) -> FullAction:
    """Wait for other batches to end if that can help."""
    return Wait(2.0) if shortage.needed <= shortage.policy.max else Reject("send smaller batches")
