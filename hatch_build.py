"""Compiles the Triton backend while hatchling builds the package.

The compiler is the first that works of `$CC`, cc, gcc and clang. Without one, the `ziglang` wheel becomes a build
requirement (`CC=zig` requests it). `PYTRITON_TARGET=aarch64` cross-compiles with ziglang.
`python hatch_build.py` compiles into the checkout, for work on the C code; it needs hatchling.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("pytriton_plugins/backend")
LIBRARY = SOURCES / "lib/pytriton/libtriton_pytriton.so"
"""Path of the library in the package: Triton searches ``libtriton_NAME.so`` in a folder NAME."""

FLAGS = ["-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wpedantic", "-pthread"]
FLAGS += ["-Wl,-z,nodelete"]  # a call of a model that hangs ends after the server has unloaded the backend
ZIG_GLIBC = "2.28"
_PROBE = "#include <stdint.h>\n#include <sys/mman.h>\nint probe(void) { return MFD_CLOEXEC; }\n"


class BuildError(Exception):
    """The backend cannot be built. The message is one line that ends with the remedy."""


class Compiler(NamedTuple):
    """A command that compiles C for ``machine``; ``zig`` pins the glibc that the library needs."""

    command: tuple[str, ...]
    machine: str
    zig: bool = False

    @property
    def wheel_tag(self) -> str:
        """The tag of a wheel with this compiler's library: manylinux only with a pinned glibc."""
        libc = f"manylinux_{ZIG_GLIBC.replace('.', '_')}" if self.zig else "linux"
        return f"py3-none-{libc}_{self.machine}"


def choose_compiler() -> Compiler:
    """The compiler of the build. A compiler that the user names in ``CC`` is never replaced."""
    here = platform.machine()
    machine = os.environ.get("PYTRITON_TARGET") or here
    requested = shlex.split(os.environ.get("CC", ""))
    if machine != here or requested == ["zig"]:
        return _zig(machine)
    if requested:
        if not _works(requested):
            command = shlex.join(requested)
            raise BuildError(f"CC={command}: cannot compile a C program; correct CC, or set CC=zig")
        return Compiler(tuple(requested), machine)
    for name in ("cc", "gcc", "clang"):
        if _works([name]):
            return Compiler((name,), machine)
    return _zig(machine)


def _zig(machine: str) -> Compiler:
    target = f"{machine}-linux-gnu.{ZIG_GLIBC}"
    # zig's debug information has paths of the build folder, which differs in each of pip's builds.
    return Compiler((sys.executable, "-m", "ziglang", "cc", "-target", target, "-Wl,--strip-debug"), machine, zig=True)


def _works(command: list[str]) -> bool:
    """Whether ``command`` is a compiler that finds the headers of the C library."""
    if shutil.which(command[0]) is None:
        return False
    probe = [*command, "-x", "c", "-fsyntax-only", "-D_GNU_SOURCE", "-"]
    return subprocess.run(probe, input=_PROBE, text=True, capture_output=True).returncode == 0


def compile_backend(root: Path, library: Path, compiler: Compiler) -> None:
    """Compile all C files of the backend into ``library``, which is replaced atomically."""
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=".build-") as scratch:
        unfinished = Path(scratch) / library.name
        _run([*compiler.command, *_flags(), "-o", str(unfinished), *_sources(root), *_from_env("LDFLAGS")], scratch)
        unfinished.replace(library)


def _flags() -> list[str]:
    strict = os.environ.get("PYTRITON_WERROR") == "1" or os.environ.get("CI", "").lower() not in ("", "0", "false")
    return [*FLAGS, *(["-Werror"] if strict else []), *_from_env("CFLAGS")]


def _from_env(name: str) -> list[str]:
    return shlex.split(os.environ.get(name, ""))


def _sources(root: Path) -> list[str]:
    sources = sorted(str(path) for path in (root / SOURCES).glob("*.c"))
    if not sources:
        raise BuildError(f"{root / SOURCES}: no C files; build from a complete checkout or source distribution")
    return sources


def _run(command: list[str], scratch: str) -> None:
    # zig's caches are inside the scratch folder: parallel builds share nothing, and nothing is left behind.
    caches = {"ZIG_GLOBAL_CACHE_DIR": f"{scratch}/zig", "ZIG_LOCAL_CACHE_DIR": f"{scratch}/zig"}
    code = subprocess.run(command, env={**os.environ, **caches}).returncode
    if code:
        name = "zig (python -m ziglang cc)" if "ziglang" in command else command[0]
        raise BuildError(
            f"{name} could not compile the backend (exit code {code}, see the output above); "
            "install another C11 compiler and name it in CC, or set CC=zig"
        )


class BackendBuildHook(BuildHookInterface[Any]):
    """Adds the compiled backend and the platform tag to the wheel."""

    def dependencies(self) -> list[str]:
        """The additional build requirements of this machine: ziglang when no C compiler works."""
        return ["ziglang>=0.13"] if self._checked_compiler().zig else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the library into the wheel, or for an editable install into the checkout."""
        compiler = self._checked_compiler()
        root = Path(self.root)
        if version == "editable":
            library = root / LIBRARY
        else:
            self._scratch = tempfile.TemporaryDirectory(prefix="pytriton-backend-")
            library = Path(self._scratch.name) / LIBRARY.name
            build_data["force_include"][str(library)] = str(LIBRARY)
        try:
            compile_backend(root, library, compiler)
        except BuildError as error:
            self.app.abort(f"pytriton-plugins: {error}")
        build_data["pure_python"] = False
        build_data["tag"] = compiler.wheel_tag

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the library that is now in the wheel."""
        if version != "editable":
            self._scratch.cleanup()

    def _checked_compiler(self) -> Compiler:
        if sys.platform != "linux":
            self.app.abort(
                f"pytriton-plugins: runs on Linux only, not on {sys.platform}; use a Linux machine or container"
            )
        try:
            return choose_compiler()
        except BuildError as error:
            self.app.abort(f"pytriton-plugins: {error}")
            raise


if __name__ == "__main__":
    try:
        compile_backend(Path.cwd(), LIBRARY.absolute(), choose_compiler())
    except BuildError as error:
        sys.exit(f"pytriton-plugins: {error}")
