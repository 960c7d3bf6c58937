"""`python -m benchmarks setup`: fills the cache with the load generator and the peers.

Needs Linux on x86-64, pip in the running Python, Debian's own /usr/bin/python3, and apt-get for missing libraries.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from benchmarks.cache import Cache
from benchmarks.errors import BenchmarkError
from benchmarks.perf_analyzer import last_line

# The last wheel with a real perf_analyzer for glibc 2.36.
LOAD_GENERATOR = "tritonclient==2.50.0"
CUDA_RUNTIME = "nvidia-cuda-runtime-cu12==12.6.77"
PYTRITON = "nvidia-pytriton==0.7.0"
# Triton's stub and PyTriton need a libpython on the loader path, which only the distribution's Python has.
SYSTEM_PYTHON = Path("/usr/bin/python3")


@frozen
class Setup:
    """Fills `cache`. A step whose result exists does nothing; each reports to `say`."""

    cache: Cache
    say: Callable[[str], None] = print

    def run(self) -> None:
        """Run every step."""
        self.cache.folder.mkdir(parents=True, exist_ok=True)
        for title, result, step in (
            ("load generator", self.cache.perf_analyzer, self._load_generator),
            ("CUDA runtime library", self.cache.libraries / "libcudart.so.12", self._cuda_runtime),
            ("server and python backend", self.cache.python_backend_stub, self._server),
            ("PyTriton", self.cache.pytriton_python, self._pytriton),
        ):
            self.say(f"{title}: {'ready' if result.exists() else f'making {result}'}")
            if not result.exists():
                step()
        self._system_library("libb64.so.0d", "libb64-0d")
        self._system_library(f"libpython{system_python_version()}.so.1.0", f"libpython{system_python_version()}")
        self.say(f"ready: {self.cache.folder}")

    def _load_generator(self) -> None:
        member = "tritonclient-2.50.0.data/data/bin/perf_analyzer"
        extract_one(self._wheel(LOAD_GENERATOR), member, self.cache.perf_analyzer)
        self.cache.perf_analyzer.chmod(0o755)

    def _cuda_runtime(self) -> None:
        member = "nvidia/cuda_runtime/lib/libcudart.so.12"
        extract_one(self._wheel(CUDA_RUNTIME), member, self.cache.libraries / "libcudart.so.12")

    def _server(self) -> None:
        folders = ("pytriton/tritonserver/", "nvidia_pytriton.libs/")
        extract_folders(self._wheel(PYTRITON), folders, self.cache.server_folder)
        self.cache.tritonserver.chmod(0o755)
        stubs = self.cache.tritonserver.parent.parent / "python_backend_stubs"
        shutil.copyfile(stubs / system_python_version() / "triton_python_backend_stub", self.cache.python_backend_stub)
        self.cache.python_backend_stub.chmod(0o755)

    def _pytriton(self) -> None:
        wheel = self._wheel(PYTRITON)
        environment = self.cache.pytriton_python.parent.parent
        try:
            # Debian's venv module works without the python3-venv package only in this form.
            run([str(SYSTEM_PYTHON), "-m", "venv", "--without-pip", str(environment)])
            pip = [sys.executable, "-m", "pip", "--python", str(self.cache.pytriton_python)]
            run([*pip, "install", "--quiet", "--only-binary=:all:", str(wheel), "numpy<2"])
        except BenchmarkError:
            shutil.rmtree(environment, ignore_errors=True)
            raise

    def _wheel(self, requirement: str) -> Path:
        pattern = requirement.replace("-", "_").replace("==", "-") + "-*.whl"
        if not list(self.cache.wheels.glob(pattern)):
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            run([*pip, "--dest", str(self.cache.wheels), requirement])
        return next(self.cache.wheels.glob(pattern))

    def _system_library(self, name: str, package: str) -> None:
        if name in run(["/sbin/ldconfig", "-p"]) or (self.cache.libraries / name).exists():
            return
        self.say(f"{name}: unpacking Debian's {package}")
        folder = self.cache.folder / "debian"
        folder.mkdir(exist_ok=True)
        run(["apt-get", "download", package], folder)
        run(["dpkg-deb", "-x", str(next(folder.glob(f"{package}_*.deb"))), str(folder)])
        shutil.copyfile(next(folder.rglob(name)), self.cache.libraries / name)


def system_python_version() -> str:
    """Such as 3.11."""
    if not SYSTEM_PYTHON.exists():
        raise BenchmarkError(f"{SYSTEM_PYTHON} is missing: the peers run only under the distribution's own Python")
    return run([str(SYSTEM_PYTHON), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()


def extract_one(wheel: Path, member: str, target: Path) -> None:
    """Write one file of a wheel to `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        target.write_bytes(archive.read(member))


def extract_folders(wheel: Path, folders: tuple[str, ...], target: Path) -> None:
    """Write the files of a wheel that lie under `folders` to the same places under `target`."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target, [name for name in archive.namelist() if name.startswith(folders)])


def run(command: list[str], folder: Path | None = None) -> str:
    """The output of `command`; a failure is one line."""
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if answer.returncode:
        raise BenchmarkError(f"`{' '.join(command)}` failed with exit {answer.returncode}: {last_line(answer)}")
    return answer.stdout
