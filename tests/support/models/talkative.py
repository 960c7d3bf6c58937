"""Models that print; served by tests/faults/test_logs.py."""

from __future__ import annotations

import logging
import os
import sys

import numpy as np

from pytriton_plugins import Tensor, infer_func

_LOG = logging.getLogger("talkative")
TEXT = [Tensor("text", bytes, ())]
PID = [Tensor("pid", np.int64, ())]


@infer_func(inputs=TEXT, outputs=PID)
def talk(text):  # type: ignore[no-untyped-def]
    """Prints each text unchanged, and logs it."""
    for item in text:
        os.write(1, item + b"\n")
        _LOG.warning("%s", item.decode(errors="replace"))
    return np.full(len(text), os.getpid())


@infer_func(inputs=[Tensor("lines", np.int64, ())], outputs=PID, max_batch_size=0)
def shout(lines):  # type: ignore[no-untyped-def]
    """Prints ``lines`` lines without a pause."""
    for _ in range(int(lines) // 1000):
        sys.stdout.write("all work and no play\n" * 1000)
    return np.array(os.getpid())
