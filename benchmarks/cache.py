"""The folder of the load generator and the peers, outside of the checkout; setup.py fills it."""

from __future__ import annotations

import sys
from pathlib import Path

from attrs import frozen

from benchmarks.errors import NotInstalled
from benchmarks.perf_analyzer import PerfAnalyzer

DEFAULT_FOLDER = Path.home() / ".cache" / "pytriton-plugins-benchmarks"


@frozen
class Cache:
    """The paths in the folder. Nothing is searched elsewhere, so every run measures exactly these files."""

    folder: Path

    @property
    def wheels(self) -> Path:
        return self.folder / "wheels"

    @property
    def libraries(self) -> Path:
        """Shared libraries that the system lacks; the loader path of every program in the folder."""
        return self.folder / "lib"

    @property
    def perf_analyzer(self) -> Path:
        return self.folder / "bin" / "perf_analyzer"

    @property
    def server_folder(self) -> Path:
        """The unpacked server: its binary, its libraries and Triton's python backend."""
        return self.folder / "server"

    @property
    def tritonserver(self) -> Path:
        return self.server_folder / "pytriton" / "tritonserver" / "bin" / "tritonserver"

    @property
    def backends(self) -> Path:
        return self.tritonserver.parent.parent / "backends"

    @property
    def python_backend_stub(self) -> Path:
        return self.backends / "python" / "triton_python_backend_stub"

    @property
    def pytriton_python(self) -> Path:
        return self.folder / "pytriton" / "bin" / "python"

    @property
    def pytriton_packages(self) -> Path:
        """The site-packages of PyTriton's environment."""
        self.needs(self.pytriton_python)
        return next(self.pytriton_python.parent.parent.glob("lib/python3.*/site-packages"))

    def needs(self, path: Path) -> Path:
        """`path`; NotInstalled if it does not exist."""
        if not path.exists():
            raise NotInstalled(f"{path} is missing: run `{sys.executable} -m benchmarks setup --dir {self.folder}`")
        return path

    def load_generator(self) -> PerfAnalyzer:
        """perf_analyzer from the folder."""
        return PerfAnalyzer(self.needs(self.perf_analyzer), self.libraries)
