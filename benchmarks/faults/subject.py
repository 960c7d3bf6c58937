"""A server under faults: its processes, also when orphaned, and what it leaves behind."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import processes
from benchmarks.cache import Cache
from benchmarks.errors import BenchmarkError
from benchmarks.faults.load import MODEL
from benchmarks.processes import PROC, Process, process
from benchmarks.servers import Models, Place, Server
from benchmarks.servers.models import Model
from benchmarks.servers.ours import start_ours
from benchmarks.servers.pytriton import start_pytriton
from benchmarks.servers.server import free_place
from tests.support.sandbox.ports import can_listen
from tests.support.traffic.load import Sent

DRAIN_SECONDS = 1.0
OURS, PYTRITON = "ours", "pytriton"
SHM = Path("/dev/shm")
TMP = Path("/tmp")
MODEL_FOLDERS = "/tmp/folder"
"""Triton makes them there even if TMPDIR names another folder."""

PATHS = re.compile(r"(?<![\w.:])/\S+")
_MARK = "BENCHMARK_MARK"
_WORKERS = {OURS: "pytriton_plugins.worker.main", PYTRITON: "triton_python_backend_stub"}
"""A part of the command line of the process that a model needs. PyTriton's callable runs in the host itself."""

_STARTERS: dict[str, Callable[[Cache, Models, Place], Server]] = {
    OURS: lambda cache, models, place: start_ours(cache, models, place, [f"--drain-delay={DRAIN_SECONDS:g}"]),
    PYTRITON: start_pytriton,
}


class Subject:
    """One running server, its processes and its traces."""

    def __init__(self, name: str, server: Server, mark: str, temporary: Path) -> None:
        self.name, self.server, self.place = name, server, server.place
        self._mark, self._temporary = mark, temporary
        self._seen: set[Process] = set()
        self._shm: set[Path] = set()
        self._folders = {temporary, self.place.folder / "run", self.place.folder / "pytriton-home"}
        self.errors: dict[str, int] = {}

    def members(self) -> list[Process]:
        """Every running process that has the mark: all descend from the server, even if their parent is another now."""
        wanted = f"{_MARK}={self._mark}".encode()
        for pid in [int(name) for name in os.listdir(PROC) if name.isdigit()]:
            with contextlib.suppress(OSError):
                if wanted in (PROC / str(pid) / "environ").read_bytes().split(b"\0") and (member := process(pid)):
                    self._seen.add(member)
        # A process that ends has no variables any more, so known members stay in the set.
        return [member for member in self._seen if member.alive]

    def worker(self) -> Process:
        """The process that runs the model."""
        return self._only(lambda line: _WORKERS[self.name] in " ".join(line))

    def tritonserver(self) -> Process:
        return self._only(lambda line: line[0].endswith("bin/tritonserver"))

    def _only(self, fits: Callable[[list[str]], bool]) -> Process:
        found = [member for member in self.members() if fits(member.command_line)]
        if len(found) != 1:
            raise BenchmarkError(f"{self.name}: expected one process of this kind, found {len(found)}")
        return found[0]

    def remember_traces(self) -> None:
        """Note the files of its processes in common folders: in /dev/shm, and Triton's own `/tmp/folder…`."""
        for member in self.members():
            models = [Path(each) for each in member.command_line if each.startswith(MODEL_FOLDERS)]
            self._folders.update(folder for path in models for folder in path.parents if folder.parent == TMP)
            for line in processes.read(PROC / str(member.pid) / "maps").splitlines():
                name = line.split(maxsplit=5)[-1].removesuffix(" (deleted)")
                if name.startswith(f"{SHM}/"):
                    self._shm.add(Path(name))

    def shm_left(self) -> int:
        """Bytes of its files in /dev/shm."""
        return sum(path.stat().st_blocks * 512 for path in self._shm if path.exists())

    def files_left(self) -> int:
        """Bytes of its temporary files."""
        files = [
            path for folder in self._folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
        ]
        return sum(path.stat().st_size for path in files)

    def ports_taken(self) -> int:
        """How many of its three ports are in use."""
        return sum(not can_listen(port) for port in (self.place.http, self.place.grpc, self.place.metrics))

    def ready(self) -> int:
        """The status of /v2/health/ready, 0 without an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.place.http, timeout=2)
        try:
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def clean(self) -> None:
        """End what still runs, and remove what it left."""
        self.remember_traces()
        processes.end(set(self.members()))
        for path in self._shm:
            path.unlink(missing_ok=True)
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    def note(self, sent: list[Sent]) -> None:
        """Count the errors of the clients, without paths."""
        for text in (PATHS.sub("…", each.error.partition("\n")[0])[:200] for each in sent if each.error):
            self.errors[text] = self.errors.get(text, 0) + 1


@contextlib.contextmanager
def subject(name: str, cache: Cache, folder: Path) -> Iterator[Subject]:
    """A server that is ready; in the end it is ended and its files are removed."""
    place, mark, temporary = free_place(folder), uuid.uuid4().hex, folder / "tmp"
    temporary.mkdir()
    server = _STARTERS[name](cache, Models((Model(MODEL, MODEL),)), place)
    server.add_variables(TMPDIR=str(temporary), **{_MARK: mark})
    with server:
        found = Subject(name, server, mark, temporary)
        found.remember_traces()
        try:
            yield found
        finally:
            found.clean()


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait for `condition`; returns whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
