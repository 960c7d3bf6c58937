"""A hook plugin whose hook runs in workers, for each request, and does nothing."""

from __future__ import annotations

from pytriton_plugins import hookimpl
from pytriton_plugins.values import RequestInfo


@hookimpl
def pytriton_on_request(request: RequestInfo) -> None:
    """Nothing."""
