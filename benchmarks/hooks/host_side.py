"""A hook plugin with hooks of the host only, none of which does anything. Runs in the host."""

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
