"""A kernel of Jupyter in which a test executes the cells of a notebook, and which it may interrupt, restart or kill."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytriton_plugins.testing import wait_until
from tests.support.sandbox.frames import WATCH

_PROGRAM = Path(__file__).with_name("notebook_program.py")
_SOON = 60.0


class CellFailed(Exception):
    """The type and the message of an exception of a cell."""


class Kernel:
    """A running kernel; `pid` is its process id."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self.pid = 0
        self._answer()

    def run(self, source: str) -> str:
        """Execute a cell, and return what it printed; raises CellFailed."""
        answer = self._ask({"do": "run", "source": source})
        if answer["error"]:
            raise CellFailed(answer["error"])
        return str(answer["text"])

    def run_interrupted(self, source: str, file: str, function: str) -> str:
        """The same; the kernel is interrupted, as by Jupyter's button, once it is in that function of our package."""
        seen = self._folder / "seen"
        interrupt = threading.Thread(target=self._interrupt, args=(seen,))
        interrupt.start()
        try:
            return self.run(f"{WATCH}\nwatch({file!r}, {function!r}, {str(seen)!r})\n{source}")
        finally:
            interrupt.join()
            seen.unlink(missing_ok=True)

    def restart(self) -> None:
        """Restart it as Jupyter does; the new one has another process id."""
        self._ask({"do": "restart"})

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def _interrupt(self, seen: Path) -> None:
        wait_until(seen.exists, _SOON, "the cell is in the function")
        os.killpg(self.pid, signal.SIGINT)

    def _ask(self, order: Mapping[str, str]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        self.pid = answer["pid"]
        return answer


@contextlib.contextmanager
def kernel(folder: Path, environment: Mapping[str, str]) -> Iterator[Kernel]:
    """A kernel that works in ``folder`` and ends with the test."""
    with subprocess.Popen(
        [sys.executable, str(_PROGRAM)],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            started = Kernel(process, folder)
            try:
                yield started
            finally:
                with contextlib.suppress(ProcessLookupError):  # the test has killed it
                    started.kill()
        finally:
            process.kill()
