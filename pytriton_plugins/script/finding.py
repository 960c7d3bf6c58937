"""Finds the running daemon that a program connects to, or says why it cannot."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any

from pytriton_plugins.discovery.entry_points import framework_version
from pytriton_plugins.errors import AttachError, HostError
from pytriton_plugins.host.control.client import (
    RUN_DIR_VARIABLE,
    HostConnection,
    described,
    find_hosts,
)
from pytriton_plugins.host.control.paths import ATTACH_SOCKET, FOLDER_PREFIX
from pytriton_plugins.script.connection import connect
from pytriton_plugins.script.process import answered
from pytriton_plugins.text import printable

_START = "start one with pytriton-host serve --allow attach"


def found(run_dir: str | Path | None, pid: int | None) -> HostConnection:
    """The only daemon of this user, with that folder and process id if they are given; raises HostError."""
    folder = os.fspath(run_dir) if run_dir is not None else os.environ.get(RUN_DIR_VARIABLE) or None
    hosts = find_hosts(folder, pid)
    if len(hosts) == 1:
        return hosts[0]
    if hosts:
        lines = [described(host) for host in sorted(hosts, key=lambda host: host.pid)]
        raise HostError("several pytriton-hosts of this user run; choose one with pid=PID or run_dir=DIR", *lines)
    which = f"with pid {pid} " if pid is not None else ""
    if folder is None:
        raise HostError(f"no pytriton-host {which}of this user runs; {_START}, or name its folder with run_dir=DIR")
    raise HostError(f"run directory {printable(folder)}: {_why_none(folder, which)}")


def _why_none(folder: str, which: str) -> str:
    """Why no daemon of this user was found there."""
    if not os.path.isdir(folder):
        return "there is no such folder; name that of a running daemon (--run-dir)"
    private = glob.glob(os.path.join(glob.escape(folder), FOLDER_PREFIX + "*"))
    for path in [folder, *private]:
        user = os.lstat(path).st_uid
        if user != os.geteuid() and (path != folder or not os.access(folder, os.R_OK | os.X_OK)):
            return f"it belongs to user {user}, and this program to user {os.geteuid()}; {_START} as this user"
    if private and not which:
        return f"the pytriton-host there has ended; {_START} --run-dir DIR again"
    return f"no pytriton-host {which}of this user runs there; {_START} --run-dir DIR"


def checked(connection: HostConnection) -> dict[str, Any]:
    """The status of a daemon that takes callables of this program; raises HostError where it does not."""
    name = f"the pytriton-host with pid {connection.pid}"
    status = answered(connection.ask, "status")
    theirs, ours = status.get("version"), framework_version()
    if theirs != ours:
        raise HostError(
            f"{name} has pytriton-plugins {printable(str(theirs))}, and this program has {ours}; install one version"
        )
    if status["state"] == "draining":
        raise HostError(f"{name} is stopping; {_START}")
    if not os.path.exists(os.path.join(connection.folder, ATTACH_SOCKET)):
        raise HostError(f"{name} takes no callables; start it with pytriton-host serve --allow attach")
    try:
        connect(connection.folder)[0].close()
    except AttachError as error:
        raise HostError(error) from None
    return status
