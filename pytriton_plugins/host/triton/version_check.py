"""Checks the version of the running tritonserver when other machines can reach it."""

from __future__ import annotations

import logging
import re

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.system.network import is_loopback
from pytriton_plugins.host.triton.options import ServerSettings
from pytriton_plugins.host.triton.server import TritonServer

_LOG = logging.getLogger("pytriton.tritonserver")

MIN_VERSION = (2, 70)
"""Triton 26.06, with the last fixes in NVIDIA's bulletins (5865, June 2026).

The minor version grows by one with each month's container: 26.01 has 2.65, 26.04 has 2.68, 26.05 has 2.69. Counted from
24.10, which has 2.51, it would be one too many, for one month of 2025 brought a patch of the month before.
"""


def too_old(version: str) -> bool:
    """Whether a server that calls itself ``version`` lacks known fixes; one that does not say it is taken for old."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return found is None or (int(found[1]), int(found[2])) < MIN_VERSION


async def check_version(server: TritonServer, settings: ServerSettings) -> None:
    """Warn of an old server that other machines can reach; raises ServerError for one where that is to be refused.

    The server itself is asked, for nothing else tells its version. By then it listens, without a model and not ready.
    """
    if is_loopback(settings.address):
        return
    version = await server.control.version(settings.load_timeout)
    if not too_old(version):
        return
    age = f"tritonserver {version} is older than 26.06 (2.70) and has known security flaws, and other machines"
    if settings.strict_security:
        raise ServerError(
            f"{age} could reach it at {settings.address}: --strict-security refuses that; name a newer one with "
            "--tritonserver, or listen on 127.0.0.1"
        )
    _LOG.warning("%s can reach it at %s; name a newer one with --tritonserver", age, settings.address)
