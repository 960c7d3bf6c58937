"""A program that attaches a callable, in a process of its own that a test may kill."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HEAD = """
import ctypes, os, signal, sys, threading, time
import numpy as np
from pytriton_plugins import Tensor
from pytriton_plugins.errors import AttachError
from pytriton_plugins.script.attach import attach

X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
RUN_DIR = sys.argv[1]

def served(callable, name="theirs", **more):
    model = attach(RUN_DIR, callable, name=name, inputs=[X], outputs=[Y], **more)
    model.ready()
    print("attached", flush=True)
    return model
"""


class Program:
    """A running program; ``line`` reads what it prints."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = process.pid

    def line(self) -> str:
        """The next line of its standard output; raises AssertionError with its standard error at its end."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr and self.process.stderr.read()
        return line.rstrip("\n")

    def tell(self, text: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def ended(self, timeout: float = 30.0) -> tuple[int, str]:
        """Its exit code and the rest of its standard error, once it has ended."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(timeout)
        assert self.process.stderr is not None
        return code, self.process.stderr.read()


@contextlib.contextmanager
def program(folder: Path, code: str, name: str = "train.py", *arguments: str) -> Iterator[Program]:
    """Run ``code`` after `HEAD`, with the run directory ``folder`` and ``arguments``; it is killed at the end."""
    path = folder / name
    path.write_text(HEAD + code)
    process = subprocess.Popen(
        [sys.executable, str(path), str(folder), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Program(process)
        finally:
            process.kill()
