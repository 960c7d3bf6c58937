"""A model that damages its own process as its input says; for the tests of faults.

It first writes the id of its process to the file ``gate`` + ".pid".
"""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]


def _wait(gate: Path) -> None:
    gate.read_bytes()


def _exit(gate: Path) -> None:
    os._exit(3)


def _segfault(gate: Path) -> None:
    ctypes.string_at(0)


def _hold_the_interpreter(gate: Path) -> None:
    ctypes.PyDLL(None).sleep(60)


def _nothing(gate: Path) -> None:
    pass


def double_fork(times: int) -> None:
    """Leave ``times`` children of a dead parent behind, each of which ends at once."""
    for _ in range(times):
        parent = os.fork()
        if parent == 0:
            if os.fork() == 0:
                os._exit(0)
            os._exit(0)
        os.waitpid(parent, 0)


def _leave_a_hundred(gate: Path) -> None:
    double_fork(100)


def _eat(gate: Path) -> None:
    """Take memory until the kernel refuses."""
    kept = []
    while True:
        kept.append(b"x" * (16 << 20))


ACTIONS = {
    "": _nothing,
    "eat": _eat,
    "wait": _wait,
    "exit": _exit,
    "segfault": _segfault,
    "stuck": _hold_the_interpreter,
    "orphans": _leave_a_hundred,
}


@infer_func(
    inputs=[Tensor("what", str, (1,)), Tensor("gate", str, (1,))],
    outputs=[Tensor("pid", np.int64, (1,))],
    max_batch_size=8,
)
def life(what: Array, gate: Array) -> Array:
    """Does what the first row with a word says, one word after the other; answers with the process id."""
    row = next((place for place, words in enumerate(what[:, 0]) if words), 0)
    path = Path(gate[row, 0])
    if what[row, 0]:
        path.with_suffix(".pid.new").write_text(str(os.getpid()))
        path.with_suffix(".pid.new").rename(path.with_suffix(".pid"))
    for word in what[row, 0].split() or [""]:
        ACTIONS[word](path)
    return np.full(what.shape, os.getpid(), np.int64)


def _fork_one_that_stays() -> None:
    if os.fork() == 0:
        while True:
            signal.pause()


def _fork_one_that_hides() -> None:
    if os.fork() == 0:
        os.setsid()
        _fork_one_that_stays()
        os._exit(0)


def _block() -> None:
    _wait(Path(os.environ["LIFE_GATE"]))


_MEMORY: list[bytes] = []


def _take_a_gigabyte() -> None:
    _MEMORY.append(b"x" * (1 << 30))


AT_IMPORT = {
    "gigabyte": _take_a_gigabyte,
    "fork": _fork_one_that_stays,
    "daemon": _fork_one_that_hides,
    "block": _block,
}

for _action in os.environ.get("LIFE_AT_IMPORT", "").split():
    AT_IMPORT[_action]()
