"""`Tensor`: one input or output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tensor:
    """One input or output; ``shape`` has no batch axis, and -1 is any length.

    ``dtype``: a numpy dtype or its class; bytes, object and ``np.bytes_`` are Triton's strings. Without a name it is
    ``INPUT_n`` or ``OUTPUT_n``, counted from 1.
    """

    shape: tuple[int, ...]
    dtype: Any
    name: str | None = None
    optional: bool | None = False
