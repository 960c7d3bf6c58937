"""A hook plugin that is told of each request, and does nothing. Runs in the host and in workers."""

from __future__ import annotations

from pytriton_plugins import hookimpl
from pytriton_plugins.values import RequestInfo


@hookimpl
def pytriton_on_request(request: RequestInfo) -> None:
    """Nothing."""
