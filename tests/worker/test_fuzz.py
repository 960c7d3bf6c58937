"""Request blocks that are changed at random: read, or refused in one sentence; runs in pytest."""

from __future__ import annotations

import contextlib
import os

import numpy as np
from golden import golden
from hypothesis import given, settings
from hypothesis import strategies as st

from pytriton_plugins import Tensor
from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.shm.segment import create_segment_file
from pytriton_plugins.worker.arguments import ArgumentPlan
from pytriton_plugins.worker.reading import RequestReader

MODELS = [
    ModelDeclaration("m", 1, "function", "m", inputs, (Tensor("y", np.float32, (-1,)),))
    for inputs in (
        (Tensor("x", np.float32, (-1,)), Tensor("text", bytes, (1,), optional=True)),
        (Tensor("x", np.float32, (-1,)), Tensor("number", np.uint8, (1,), optional=True)),
    )
]
CONTENT = golden("request", "block") + golden("request", "tensors")
LENGTH = len(golden("request", "block"))
extreme = st.sampled_from([0, 1, 2, 8, 64, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 64, 2**64 - 1])
change = st.tuples(st.integers(0, len(CONTENT) - 1), st.sampled_from([1, 2, 4, 8]), extreme | st.integers(0, 2**64 - 1))


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.sampled_from(MODELS), st.lists(change, min_size=1, max_size=4), st.integers(0, LENGTH + 8))
def test_blocks_changed_at_random(model: ModelDeclaration, changes: list[tuple[int, int, int]], cut: int) -> None:
    """Seen red with `struct.error`, IndexError and TypeError let through (`RequestReader.plan`)."""
    content = bytearray(CONTENT)
    for at, size, number in changes:
        content[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, "little")
    descriptor = create_segment_file(4096)
    os.pwrite(descriptor, content, 0)
    reader = RequestReader(model, ArgumentPlan(model).keywords)
    reader.take_segment(7, [descriptor])
    with contextlib.suppress(ProtocolError):
        reader.batch(reader.plan(7, 0, LENGTH if cut > LENGTH // 2 else cut))
