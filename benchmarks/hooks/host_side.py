"""A hook plugin whose hooks run in the host only and do nothing."""

from __future__ import annotations

from pytriton_plugins import hookimpl
from pytriton_plugins.values import HostStatus, ModelStatus, Verdict


@hookimpl
def pytriton_check_readiness(host: HostStatus) -> Verdict | None:
    """No objection."""
    return None


@hookimpl
def pytriton_check_model_readiness(status: ModelStatus) -> Verdict | None:
    """No objection."""
    return None


@hookimpl
def pytriton_on_host_ready(host: HostStatus) -> None:
    """Nothing."""
