# acme_maintenance.py
from __future__ import annotations

import os
from pathlib import Path

from pytriton_plugins import hookimpl
from pytriton_plugins.values import HostStatus, Verdict

FLAG = Path(os.environ.get("MAINTENANCE_FLAG", "/run/maintenance"))


@hookimpl
def pytriton_check_readiness(host: HostStatus) -> Verdict | None:
    """Not ready while the flag file exists."""
    return Verdict(False, f"{FLAG} exists") if FLAG.exists() else None
