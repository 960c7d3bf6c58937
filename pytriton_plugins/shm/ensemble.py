"""The payload of ENSEMBLE on the backend link: what an ensemble contains."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import islice

_ENSEMBLE = struct.Struct("<qII")
_STEP = struct.Struct("<qI4x")
MAX_STEPS = 200
"""Steps that fit into a message; the backend looks at fewer models of one call."""


def pack_ensemble(name: str, version: int, steps: Iterable[tuple[str, int]]) -> bytes:
    """What this version contains: names and versions, -1 for the newest. Without steps it is an ensemble no longer."""
    packed = []
    for model, number in islice(steps, MAX_STEPS):
        text = model.encode()
        packed += [_STEP.pack(number, len(text)), text]
    encoded = name.encode()
    return b"".join([_ENSEMBLE.pack(version, len(encoded), len(packed) // 2), encoded, *packed])
