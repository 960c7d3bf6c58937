"""The built-in answers, a hook plugin like any other that is asked last; runs in the host process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytriton_plugins.hooks.markers import hookimpl
from pytriton_plugins.values import Ports, ShmPolicy

if TYPE_CHECKING:
    from pytriton_plugins.models import ModelDeclaration


@hookimpl(trylast=True)
def pytriton_choose_server(candidates: tuple[Path, ...]) -> Path | None:
    """The first one found."""
    return candidates[0] if candidates else None


@hookimpl(trylast=True)
def pytriton_choose_ports(ports: Ports, attempt: int) -> Ports | None:
    """The configured ports; nothing else once one of them is taken."""
    return ports if attempt == 0 else None


@hookimpl(trylast=True)
def pytriton_choose_shm_policy(model: ModelDeclaration, default: ShmPolicy) -> ShmPolicy:
    """The configured policy, the same for every model."""
    return default
