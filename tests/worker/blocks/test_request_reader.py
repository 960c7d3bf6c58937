"""Request blocks with random changes: each is read, or refused in one sentence."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pytriton_plugins import Tensor
from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.segment import create_segment_file
from pytriton_plugins.worker.blocks.request_reader import RequestReader
from pytriton_plugins.worker.calling.arguments import ArgumentBuilder, requests_of
from pytriton_plugins.worker.calling.request_state import RequestState, SharedState
from pytriton_plugins.worker.calling.warmup import NewArrays
from tests.support.backend.golden import golden

MODELS = [
    ModelDeclaration("m", 1, "function", "m", inputs, (Tensor("y", np.float32, (-1,)),))
    for inputs in (
        (Tensor("x", np.float32, (-1,)), Tensor("text", bytes, (1,), optional=True)),
        (Tensor("x", np.float32, (-1,)), Tensor("number", np.uint8, (1,), optional=True)),
    )
]
WITH_CONTEXT = [replace(model, context="ctx") for model in MODELS]
SEPARATE = [replace(model, requests="requests") for model in MODELS]
CONTENT = (
    golden("request", "told")
    + golden("request", "block")[64:]
    + golden("request", "tensors")
    + golden("request", "details")
)
SEPARATE_CONTENT = golden("request", "apart") + golden("request", "apart_tensors")
LENGTH, SEPARATE_LENGTH = len(golden("request", "block")), len(golden("request", "apart"))
extreme = st.sampled_from([0, 1, 2, 8, 64, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 64, 2**64 - 1])
change = st.tuples(st.integers(0, len(CONTENT) - 1), st.sampled_from([1, 2, 4, 8]), extreme | st.integers(0, 2**64 - 1))


def read(model: ModelDeclaration, content: bytes, changes: list[tuple[int, int, int]], length: int) -> None:
    """Read a batch and everything that a context shows of it."""
    changed = bytearray(content)
    for at, size, number in changes:
        changed[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, "little")
    descriptor = create_segment_file(4096)
    os.pwrite(descriptor, changed, 0)
    arguments = ArgumentBuilder(model)
    reader = RequestReader(model, arguments)
    reader.take_segment(7, [descriptor])
    with contextlib.suppress(ProtocolError):
        plan = reader.plan(7, 0, length)
        state = RequestState(SharedState("m"), reader.view, plan.details, NewArrays(model))
        batch = reader.batch(plan, state)
        for request in requests_of(batch, list(batch.separate) or None):
            assert request.cancelled in (False, True)
            assert isinstance(request.id, str)


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.sampled_from([*MODELS, *WITH_CONTEXT]), st.lists(change, min_size=1, max_size=4), st.integers(0, LENGTH + 8))
def test_blocks_changed_at_random(model: ModelDeclaration, changes: list[tuple[int, int, int]], cut: int) -> None:
    read(model, CONTENT, changes, LENGTH if cut > LENGTH // 2 else cut)


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.sampled_from(SEPARATE), st.lists(change, min_size=1, max_size=4), st.integers(0, SEPARATE_LENGTH + 8))
def test_tensors_that_stand_apart_changed_at_random(
    model: ModelDeclaration, changes: list[tuple[int, int, int]], cut: int
) -> None:
    """Random changes to tensors that lie outside the block."""
    read(model, SEPARATE_CONTENT, changes, SEPARATE_LENGTH if cut > SEPARATE_LENGTH // 2 else cut)
