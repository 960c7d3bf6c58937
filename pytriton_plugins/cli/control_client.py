"""Finds the running host and asks its control socket; in the called process, and light, for `health` needs it."""

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
"""Seconds in which a host that is alive takes a connection."""

_PATIENCE = 1.0
"""Seconds for what only helps to choose a host."""

_FEW = 8
"""So many models of a host are told."""

_LONGEST_ANSWER = 64 << 20
_CREDENTIALS = 12
"""Bytes of a struct ucred: process, user and group id, four each."""


class NoHostRuns(ControlError):
    """There is none to be asked."""


class Host:
    """A connection to one running host, whose process id is ``pid``; ``folder`` is its own."""

    def __init__(self, sock: socket.socket, pid: int, folder: str) -> None:
        self.pid = pid
        self.folder = folder
        self._sock = sock
        self._rest = b""

    def ask(self, question: dict[str, Any], timeout: float, on_progress: Callable[[str], None] = print) -> Any:
        """The answer to ``question``, within ``timeout`` seconds; raises ControlError, also with what the host says."""
        until = time.monotonic() + timeout
        try:
            self._sock.settimeout(timeout)
            self._sock.sendall(json.dumps(question).encode() + b"\n")
            while "progress" in (answer := json.loads(self._line(until))):
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

    def _line(self, until: float) -> bytes:
        while b"\n" not in self._rest:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
            data = self._sock.recv(1 << 16)
            if not data or len(self._rest) > _LONGEST_ANSWER:
                raise ConnectionError("it ended the connection" if not data else "its answer has no end")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line


def find_host(run_dir: str | None = None, pid: int | None = None) -> Host:
    """The one running host of this user, in ``run_dir`` if it is named.

    Raises NoHostRuns when there is none, and ControlError, with a line for each, when there are several.
    """
    run_dir = run_dir or os.environ.get(RUN_DIR_VARIABLE) or None
    found = find_hosts(run_dir, pid)
    if len(found) == 1:
        return found[0]
    where = f" in {printable(run_dir)}" if run_dir else ""
    if found:
        lines = [_described(host) for host in sorted(found, key=lambda host: host.pid)]
        raise ControlError(f"several pytriton-hosts run{where}; choose one with --pid PID or --run-dir DIR", *lines)
    which = f"with pid {pid} " if pid is not None else ""
    remedy = "" if run_dir else "; if it was started with --run-dir, name that folder with --run-dir DIR"
    raise NoHostRuns(f"no pytriton-host {which}of this user runs{where}{remedy}")


def find_hosts(run_dir: str | None = None, pid: int | None = None, patience: float = CONNECT_TIMEOUT) -> list[Host]:
    """All that may be meant, each of which takes the connection within ``patience`` seconds."""
    run_dir = run_dir or os.environ.get(RUN_DIR_VARIABLE) or None
    found = []
    for host in _hosts_in(run_dir or _temporary_folder(), patience):
        found.append(host) if pid in (None, host.pid) else host.close()
    return found


def _described(host: Host) -> str:
    """What tells a host from others, on one line; the connection is closed."""
    try:
        said = host.ask({"command": "summary"}, _PATIENCE)
        ports, models = said["ports"], list(dict.fromkeys(str(each["model"]) for each in said["models"]))
        http = f"  HTTP {ports['http']}" if ports["http"] else ""
        more = f"{http}  gRPC {ports['grpc']}  models {first_few(models, _FEW) or 'none yet'}"
    except (ControlError, KeyError, TypeError):
        more = ""  # it hangs, or is of another version
    finally:
        host.close()
    return printable(f"  --pid {host.pid}  folder {host.folder}{more}")


def _hosts_in(folder: str, patience: float) -> list[Host]:
    """Those whose folders are in ``folder``, which may also be one's own."""
    paths = [folder, *glob.glob(os.path.join(glob.escape(folder), FOLDER_PREFIX + "*"))]
    return [host for path in paths if (host := _connected(path, patience)) is not None]


def _connected(folder: str, patience: float) -> Host | None:
    """None unless the folder is this user's (root may ask anyone's) and a living host listens there."""
    mine = os.geteuid()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            sock.settimeout(patience)
            if os.fstat(descriptor).st_uid != mine and mine != 0:
                raise PermissionError
            # Not by the folder's path, which may be longer than an address.
            sock.connect(f"/proc/self/fd/{descriptor}/{CONTROL_SOCKET}")
        finally:
            os.close(descriptor)
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS)
    except OSError:
        sock.close()
        return None
    pid, user = (int.from_bytes(peer[start : start + 4], "little") for start in (0, 4))
    if user != mine and mine != 0:
        sock.close()
        return None
    return Host(sock, pid, folder)


def _temporary_folder() -> str:
    """Where a host that is given none makes its own: what `tempfile` chooses, whose import takes long."""
    candidates = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    for folder in (*candidates, "/tmp", "/var/tmp", "/usr/tmp"):
        if folder and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
            return os.path.abspath(folder)
    return os.getcwd()
