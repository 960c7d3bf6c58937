"""A server under test: starts on free ports, waits until it is ready, ends with its children."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import subprocess
import time
import weakref
from pathlib import Path
from types import TracebackType

from attrs import frozen

from benchmarks import processes
from benchmarks.errors import BenchmarkError
from pytriton_plugins.testing.ports import held_ports

STOP_TIMEOUT = 10.0
POLL_INTERVAL = 0.01


@frozen
class Addresses:
    """Each as ``ADDRESS:PORT``."""

    http: str
    grpc: str


@frozen
class Place:
    """The ports and the folder of a server, and a tritonserver to use instead of the cache's."""

    http: int
    grpc: int
    metrics: int
    folder: Path
    tritonserver: Path | None = None

    @property
    def addresses(self) -> Addresses:
        """As the clients of `tests.support.traffic` take them."""
        return Addresses(f"127.0.0.1:{self.http}", f"127.0.0.1:{self.grpc}")


def free_place(folder: Path, tritonserver: Path | None = None) -> Place:
    """A place with three free ports, which are its own as long as it exists, and the new folder `folder`."""
    folder.mkdir(parents=True)
    held = contextlib.ExitStack()
    http_port, grpc_port, metrics_port = held.enter_context(held_ports())
    place = Place(http_port, grpc_port, metrics_port, folder, tritonserver)
    weakref.finalize(place, held.close)
    return place


class Server:
    """A context manager: inside, the server runs and each of its models is ready."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str],
        place: Place,
        models: list[str],
        binary: Path,
        leaves: str = "",
        ready_seconds: float = 300.0,
    ) -> None:
        """`leaves`: pattern of files that it leaves in /dev/shm, with `{pid}` for the started process."""
        self.name = name
        self.place = place
        self.binary = binary
        self.seconds_to_ready = 0.0
        self._command = command
        self._environment = environment
        self._models = models
        self._leaves = leaves
        self._ready_seconds = ready_seconds
        self._log = place.folder / "log.txt"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The started process; the others are its descendants."""
        if self._process is None:
            raise BenchmarkError(f"{self.name} is not running")
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code of the started process; None while it runs."""
        return self._process.poll() if self._process else None

    def add_variables(self, **variables: str) -> None:
        """Add environment variables before the start."""
        self._environment = {**self._environment, **variables}

    def __enter__(self) -> Server:
        started = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self.place.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait(self._process, started + self._ready_seconds)
        except BaseException:
            self._stop()
            raise
        self.seconds_to_ready = time.monotonic() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def describe(self) -> dict[str, str]:
        """Triton's version, the binary's name and hash; no path, because the file is committed."""
        version = json.loads(_get(self.place.http, "/v2")[1])["version"]
        digest = hashlib.sha256(self.binary.read_bytes()).hexdigest() if self.binary.is_file() else "unknown"
        return {"triton": str(version), "binary": self.binary.name, "sha256": digest}

    def _wait(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        paths = ["/v2/health/ready", *(f"/v2/models/{model}/ready" for model in self._models)]
        while paths:
            if process.poll() is not None:
                raise BenchmarkError(f"{self.name} ended with exit code {process.returncode}: {self.last_lines()}")
            if time.monotonic() > deadline:
                raise BenchmarkError(
                    f"{self.name} timed out after {self._ready_seconds:g} s, not ready: {self.last_lines()}"
                )
            if _get(self.place.http, paths[0])[0] == 200:
                paths.pop(0)
            else:
                time.sleep(POLL_INTERVAL)

    def last_lines(self) -> str:
        """The end of its output."""
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return " | ".join(lines[-3:])[-600:] or "no output"

    def _stop(self) -> None:
        if self._process is None:
            return
        members = processes.tree(self._process.pid)
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT)
        processes.end({*members, *processes.tree(self._process.pid)})
        self._process.wait()
        for left in Path("/dev/shm").glob(self._leaves.format(pid=self._process.pid)) if self._leaves else ():
            left.unlink()
        self._process = None


def plain_environment(**changes: str) -> dict[str, str]:
    """This process's variables without those of a host or a Python, and with `changes`."""
    prefixes = ("PYTRITON_", "PYTHON", "VIRTUAL_ENV", "TRITON")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return {**inherited, **changes}


def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
