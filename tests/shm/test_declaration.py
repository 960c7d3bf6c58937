"""Declarations as the backend gets them, against the vectors written by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.sequence import Sequence
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.shm.declaration import QueuePolicy, pack_declaration
from tests.support.backend.golden import golden

DECLARATION = ModelDeclaration(
    "golden",
    3,
    "function",
    "golden",
    (Tensor("x", np.float32, (-1,)), Tensor("text", bytes, (1,), optional=True)),
    (Tensor("y", np.float32, (-1,)), Tensor("label", str, ())),
    timeout=60.0,
)
QUEUE = QueuePolicy(5, 60.25, delay=0.0015, preferred=(3, 64))
LOOPBACK = ModelDeclaration(
    "l", 1, "function", "l", (Tensor("a", np.uint32, (-1, 2)),), (Tensor("b", np.uint32, (-1, 2)),), max_batch_size=0
)


def test_declarations() -> None:
    pack = partial(pack_declaration, DECLARATION, wait=61.5, trim_after=120, queue=QUEUE)
    assert pack(largest_response=1 << 20) == golden("declaration", "declaration")
    lending = pack(largest_response=1 << 20, lend=True)
    assert lending == golden("declaration", "may_lend") + golden("declaration", "declaration")[4:]
    spare = pack(largest_response=1 << 20, spare=True)
    assert spare == golden("declaration", "spare") + golden("declaration", "declaration")[4:]
    own = pack(largest_response=1 << 20, queue=QUEUE._replace(own_timeouts=True))
    assert own == golden("declaration", "own_timeouts") + golden("declaration", "declaration")[4:]
    packed = pack_declaration(LOOPBACK, wait=1.0, largest_response=4096, loopback=True)
    assert packed == golden("declaration", "loopback")


@pytest.mark.parametrize(
    ("section", "declaration"),
    [
        ("details", replace(DECLARATION, context="ctx")),
        ("stream", replace(DECLARATION, answers="stream")),
        ("apart", replace(DECLARATION, requests="requests")),
        ("details", replace(DECLARATION, requests="requests", equal_shapes=True)),
        ("lenient", replace(DECLARATION, lenient=True)),
        ("awaits", replace(DECLARATION, answers="async")),
        ("told_stream", replace(DECLARATION, answers="async_stream", context="ctx")),
    ],
)
def test_declarations_of_each_form(section: str, declaration: ModelDeclaration) -> None:
    packed = pack_declaration(declaration, wait=61.5, largest_response=1 << 20, trim_after=120, queue=QUEUE)
    assert packed == golden("declaration", section) + golden("declaration", "declaration")[4:]


@pytest.mark.parametrize(
    ("section", "form"),
    [("sequence", {"context": "ctx"}), ("shared_sequences", {"requests": "requests"})],
)
def test_declarations_with_sequences(section: str, form: dict[str, str]) -> None:
    declaration = replace(DECLARATION, sequence=Sequence(max_idle=1.5, max_live=300), **form)  # type: ignore[arg-type]
    packed = pack_declaration(declaration, wait=61.5, largest_response=1 << 20, trim_after=120, queue=QUEUE)
    whole = golden("declaration", "declaration")
    assert packed == golden("declaration", section) + whole[4:64] + golden("declaration", "live_and_idle") + whole[64:]
