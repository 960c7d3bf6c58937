"""The C sources compile without warnings with every installed compiler."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.docs.readme import ROOT

SOURCES = sorted((ROOT / "pytriton_plugins/backend").glob("*.c"))
FLAGS = [
    *(
        "-std=c11",
        "-O2",
        "-fPIC",
        "-pthread",
        "-Werror",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Wshadow",
        "-Wstrict-prototypes",
    ),
    *("-Wmissing-prototypes", "-Wpointer-arith", "-Wcast-align", "-Wundef", "-Wvla", "-Wformat=2", "-Wwrite-strings"),
]


def compilers() -> list[str]:
    """Commands of C compilers; ``pip`` when there is none: then the package's own build installs one."""
    found = [name for name in ("gcc", "clang", "cc") if shutil.which(name)][:2]
    if importlib.util.find_spec("ziglang"):
        found.append(f"{sys.executable} -m ziglang cc")
    return found or ["pip"]


@pytest.mark.parametrize("compiler", compilers())
def test_no_warning(compiler: str, tmp_path: Path) -> None:
    assert len(SOURCES) > 10
    if compiler == "pip":
        build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
        commands = [build]
    else:
        commands = [
            [*compiler.split(), *FLAGS, "-c", "-o", str(tmp_path / "object.o"), str(source)] for source in SOURCES
        ]
    caches = {"ZIG_GLOBAL_CACHE_DIR": str(tmp_path / "zig"), "ZIG_LOCAL_CACHE_DIR": str(tmp_path / "zig")}
    for command in commands:
        ended = subprocess.run(
            command, env={**os.environ, **caches, "PYTRITON_WERROR": "1"}, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
