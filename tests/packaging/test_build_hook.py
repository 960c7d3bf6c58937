"""The build hook of the framework: the choice of the compiler, the wheel, and the messages of a failed build."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.support.docs.readme import ROOT

BUILT_FROM = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The parts of the checkout that a wheel is built from."""
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, tmp_path / name)
    ignored = shutil.ignore_patterns("__pycache__", "lib")
    shutil.copytree(ROOT / "pytriton_plugins", tmp_path / "pytriton_plugins", ignore=ignored)
    return tmp_path


def program(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def build(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Build a wheel as pip does, in this interpreter's environment."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)


def requirements(checkout: Path, **environment: str) -> str:
    """The additional requirements that the build asks pip to install."""
    program = "from hatchling.build import get_requires_for_build_wheel as get; print(get())"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True).stdout.strip()


def test_the_installed_library_is_a_triton_backend() -> None:
    (library,) = (path for path in distribution("pytriton-plugins").files or [] if path.suffix == ".so")
    assert str(library) == "pytriton_plugins/backend/lib/pytriton/libtriton_pytriton.so"
    content = Path(str(library.locate())).read_bytes()
    assert content.startswith(b"\x7fELF")
    assert b"TRITONBACKEND_ModelInstanceExecute\0" in content


def test_a_wheel_carries_the_compiled_library_and_no_source(checkout: Path) -> None:
    compiler = program(
        checkout, "mycc", 'for word; do [ "$last" = -o ] && echo compiled > "$word"; last=$word; done; true'
    )
    ended = build(checkout, CC=compiler)
    assert ended.returncode == 0, ended.stderr
    (wheel,) = (checkout / "dist").iterdir()
    assert wheel.name == f"pytriton_plugins-0.1.0-py3-none-linux_{platform.machine()}.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("pytriton_plugins/backend/lib/pytriton/libtriton_pytriton.so") == b"compiled\n"
        assert not [name for name in archive.namelist() if name.endswith((".c", ".h", "hatch_build.py"))]
    assert not (checkout / "pytriton_plugins/backend/lib").exists()


@pytest.mark.parametrize("compiler", [None, "exit 1"])
def test_zig_is_required_where_no_compiler_works(checkout: Path, compiler: str | None) -> None:
    (checkout / "bin").mkdir()
    if compiler:
        program(checkout / "bin", "cc", compiler)
    assert requirements(checkout, PATH=str(checkout / "bin")) == "['ziglang>=0.13']"


def test_nothing_is_required_where_a_compiler_works(checkout: Path) -> None:
    (checkout / "bin").mkdir()
    program(checkout / "bin", "clang", "exit 0")
    assert requirements(checkout, PATH=str(checkout / "bin")) == "[]"


def test_another_target_is_compiled_by_zig_whatever_is_installed(checkout: Path) -> None:
    compiler = program(checkout, "mycc", "exit 0")
    assert requirements(checkout, CC=compiler, PYTRITON_TARGET="some_other_machine") == "['ziglang>=0.13']"


def test_a_compiler_that_was_asked_for_and_is_missing_is_one_line(checkout: Path) -> None:
    ended = build(checkout, CC="/no/such/cc -m64")
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "pytriton-plugins: CC=/no/such/cc -m64: cannot compile a C program; correct CC, or set CC=zig"
    ]


def test_a_failed_compilation_ends_with_one_line_and_the_remedy(checkout: Path) -> None:
    script = 'case "$*" in *-fsyntax-only*) exit 0;; esac; echo "t.c:1: error: no" >&2; exit 3'
    compiler = program(checkout, "mycc", script)
    ended = build(checkout, CC=compiler)
    assert ended.returncode == 1
    compiler_output, message = ended.stderr.splitlines()
    assert compiler_output == "t.c:1: error: no"
    assert message.startswith(f"pytriton-plugins: {compiler} could not compile the backend (exit code 3,")
    assert message.endswith("name it in CC, or set CC=zig")


@pytest.mark.parametrize(("variable", "strict"), [("CI", True), ("PYTRITON_WERROR", True), ("NOTHING", False)])
def test_warnings_are_errors_in_ci_only(checkout: Path, variable: str, strict: bool) -> None:
    compiler = program(checkout, "mycc", f'echo "$*" >> {checkout}/seen; exit 1')
    passing = program(checkout, "maycc", f'case "$*" in *-fsyntax-only*) exit 0;; esac; exec {compiler} "$@"')
    build(checkout, CC=passing, **{variable: "1"})
    assert ("-Werror" in (checkout / "seen").read_text()) is strict
