"""The client of a running daemon's control socket, for commands and scripts. Few imports, because `health` uses it."""

from __future__ import annotations

import glob
import json
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from pytriton_plugins.errors import ControlError
from pytriton_plugins.host.control.paths import CONTROL_SOCKET, FOLDER_PREFIX
from pytriton_plugins.text import first_few, printable

RUN_DIR_VARIABLE = "PYTRITON_HOST_RUN_DIR"
CONNECT_TIMEOUT = 2.0
"""Seconds in which a living daemon accepts a connection."""

_SUMMARY_TIMEOUT = 1.0
"""Seconds for a daemon's summary, which only helps the user to choose a daemon."""

_MAX_LISTED = 8
"""Messages list at most this many models of a daemon."""

_MAX_ANSWER = 64 << 20
_CREDENTIALS = 12
"""Bytes of a struct ucred: process, user and group id, four each."""


class NoHostRuns(ControlError):
    """No running daemon was found."""


class HostConnection:
    """A connection to the running daemon with the process id ``pid`` and the private ``folder``."""

    def __init__(self, sock: socket.socket, pid: int, folder: str) -> None:
        self.pid = pid
        self.folder = folder
        self._sock = sock
        self._rest = b""

    def ask(self, question: dict[str, Any], timeout: float, on_progress: Callable[[str], None] = print) -> Any:
        """The answer to ``question`` within ``timeout`` seconds; raises ControlError, also for the daemon's errors."""
        deadline = time.monotonic() + timeout
        try:
            self._sock.settimeout(timeout)
            self._sock.sendall(json.dumps(question).encode() + b"\n")
            while "progress" in (answer := json.loads(self._line(deadline))):
                on_progress(str(answer["progress"]))
        except TimeoutError:
            raise ControlError(f"the pytriton-host with pid {self.pid} did not answer within {timeout:g} s") from None
        except (OSError, ValueError, TypeError) as error:
            raise ControlError(f"the pytriton-host with pid {self.pid} does not answer: {error}") from None
        if "error" in answer:
            raise ControlError(str(answer["error"]))
        return answer

    def close(self) -> None:
        self._sock.close()

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._rest:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            self._sock.settimeout(remaining)
            data = self._sock.recv(1 << 16)
            if not data or len(self._rest) > _MAX_ANSWER:
                raise ConnectionError("it closed the connection" if not data else "its answer is too long")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line


def find_host(run_dir: str | None = None, pid: int | None = None) -> HostConnection:
    """The only running daemon of this user, in ``run_dir`` if that is given.

    Raises NoHostRuns when there is none, and ControlError, with a line for each, when there are several.
    """
    run_dir = run_dir or os.environ.get(RUN_DIR_VARIABLE) or None
    found = find_hosts(run_dir, pid)
    if len(found) == 1:
        return found[0]
    where = f" in {printable(run_dir)}" if run_dir else ""
    if found:
        lines = [f"  --{described(host)}" for host in sorted(found, key=lambda host: host.pid)]
        raise ControlError(f"several pytriton-hosts run{where}; choose one with --pid PID or --run-dir DIR", *lines)
    which = f"with pid {pid} " if pid is not None else ""
    remedy = "" if run_dir else "; if it was started with --run-dir, name that folder with --run-dir DIR"
    raise NoHostRuns(f"no pytriton-host {which}of this user runs{where}{remedy}")


def find_hosts(
    run_dir: str | None = None, pid: int | None = None, timeout: float = CONNECT_TIMEOUT
) -> list[HostConnection]:
    """All running daemons with this folder and process id that accept a connection within ``timeout`` seconds."""
    run_dir = run_dir or os.environ.get(RUN_DIR_VARIABLE) or None
    found = []
    for host in _hosts_in(run_dir or _temporary_folder(), timeout):
        found.append(host) if pid in (None, host.pid) else host.close()
    return found


def described(host: HostConnection) -> str:
    """One line, ``pid PID …``, that identifies a daemon among others; closes the connection."""
    try:
        summary = host.ask({"command": "summary"}, _SUMMARY_TIMEOUT)
        ports, models = summary["ports"], list(dict.fromkeys(str(each["model"]) for each in summary["models"]))
        http = f"  HTTP {ports['http']}" if ports["http"] else ""
        more = f"{http}  gRPC {ports['grpc']}  models {first_few(models, _MAX_LISTED) or 'none yet'}"
    except (ControlError, KeyError, TypeError):
        more = ""  # the daemon hangs, or has another version
    finally:
        host.close()
    return printable(f"pid {host.pid}  folder {host.folder}{more}")


def _hosts_in(folder: str, timeout: float) -> list[HostConnection]:
    """The daemons with private folders in ``folder``, which may also be a private folder itself."""
    paths = [folder, *glob.glob(os.path.join(glob.escape(folder), FOLDER_PREFIX + "*"))]
    return [host for path in paths if (host := connected(path, timeout)) is not None]


def connected(folder: str, timeout: float) -> HostConnection | None:
    """None unless the folder is this user's (any user's for root) and a living daemon listens there."""
    own_user = os.geteuid()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            sock.settimeout(timeout)
            if os.fstat(descriptor).st_uid != own_user and own_user != 0:
                raise PermissionError
            # Not by the folder's path, which may be too long for an address.
            sock.connect(f"/proc/self/fd/{descriptor}/{CONTROL_SOCKET}")
        finally:
            os.close(descriptor)
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS)
    except OSError:
        sock.close()
        return None
    pid, user = (int.from_bytes(peer[start : start + 4], "little") for start in (0, 4))
    if user != own_user and own_user != 0:
        sock.close()
        return None
    return HostConnection(sock, pid, folder)


def _temporary_folder() -> str:
    """The default folder of a daemon, the same that `tempfile` chooses; its import takes long."""
    candidates = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    for folder in (*candidates, "/tmp", "/var/tmp", "/usr/tmp"):
        if folder and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
            return os.path.abspath(folder)
    return os.getcwd()
