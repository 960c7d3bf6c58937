"""Standard output and error that cannot be written, and a deleted current folder: one line, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytriton_plugins.testing.host import PROGRAM

FULL = "pytriton-host: standard output cannot be written: No space left on device\n"
CLOSED = "pytriton-host: standard output cannot be written: it is closed\n"
GONE = "pytriton-host: current folder: it was deleted; change to another one\n"


def call(folder: Path, redirection: str, *arguments: str, unbuffered: bool = False) -> tuple[int, str]:
    """Exit code and standard error of a call in ``folder``, made by a shell."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-c", PROGRAM, *arguments]
    env = {**os.environ, "PYTHONUNBUFFERED": "1" if unbuffered else ""}
    done = subprocess.run(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "arguments", [["list"], ["list", "--json"], ["check"], ["new", "acme-mean"], ["--help"]], ids=" ".join
)
def test_a_full_disk(tmp_path: Path, arguments: list[str]) -> None:
    assert call(tmp_path, ">/dev/full", *arguments) == (1, FULL)


@pytest.mark.parametrize("unbuffered", [False, True])
def test_full_closed_and_missing_outputs_end_with_one_line_at_most(tmp_path: Path, unbuffered: bool) -> None:
    """A closed reader, as with `| head -1`, is not an error message; without standard error nothing is printed."""
    assert call(tmp_path, ">/dev/full", "list", unbuffered=unbuffered) == (1, FULL)
    assert call(tmp_path, ">&-", "list", unbuffered=unbuffered) == (1, CLOSED)
    assert call(tmp_path, ">&- 2>&-", "list", unbuffered=unbuffered) == (1, "")
    assert call(tmp_path, ">/dev/null 2>&-", "list", unbuffered=unbuffered) == (0, "")
    assert call(tmp_path, ">/dev/null 2>/dev/full", "nothing-like-it", unbuffered=unbuffered) == (2, "")
    assert call(tmp_path, "2>/dev/full", "health", "live", "--run-dir=.", unbuffered=unbuffered) == (1, "")
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", PROGRAM, "list", "--json"]
    env = {**os.environ, "PYTHONUNBUFFERED": "1" if unbuffered else ""}
    done = subprocess.run(command, cwd=tmp_path, env=env, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("arguments", [["list"], ["check"], ["new", "acme-mean"], ["serve"]], ids=" ".join)
def test_the_current_folder_is_gone(tmp_path: Path, arguments: list[str]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, cwd=gone, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", GONE)


def test_the_current_folder_is_gone_for_the_module_too(tmp_path: Path) -> None:
    """`python -m` reads the current folder before the command line runs."""
    gone = tmp_path / "gone"
    gone.mkdir()
    command = ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", sys.executable, "-m", "pytriton_plugins", "list"]
    done = subprocess.run(command, cwd=gone, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", GONE)
