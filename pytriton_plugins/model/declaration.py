"""What a marked callable declares, as data: made in author modules, sent by the worker, read by the host."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pytriton_plugins.model.tensors import Tensor, dtype_by_triton_name

Kind = Literal["function", "class"]
Answers = Literal["plain", "async", "stream", "async_stream"]
"""How the callable answers: once when it returns, awaited, or with as many responses as it yields."""

RESERVED = "pytriton_gate"
"""Models whose names begin like this are the daemon's own."""

MAX_TIMEOUT = 86400
"""Seconds."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class ModelDeclaration:
    """One model: its name and version, tensors in declared order, and how its callable is to be run.

    ``max_batch_size`` 0 means no batch axis. ``timeout``: seconds that a batch may take in a worker, 0 for any time.
    ``slots`` batches are in flight in each worker at most. ``context`` and ``requests`` are the parameters that get a
    `Context` and the list of requests; empty where the callable takes none.
    ``object_name`` is the callable's name in its module. ``settings``: what its ``__init__`` takes, and whether it must
    be given; None: anything.
    """

    name: str
    version: int
    kind: Kind
    object_name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch_size: int = 64
    workers: int = 1
    retry_alone: bool = True
    timeout: float = 0.0
    answers: Answers = "plain"
    slots: int = 1
    context: str = ""
    requests: str = ""
    settings: dict[str, bool] | None = None
    triton_config: dict[str, Any] = field(default_factory=dict)

    @property
    def batched(self) -> bool:
        return self.max_batch_size > 0

    @property
    def is_async(self) -> bool:
        return self.answers in ("async", "async_stream")

    @property
    def streams(self) -> bool:
        """Whether a request may have any number of responses (Triton: decoupled)."""
        return self.answers in ("stream", "async_stream")

    @property
    def takes_requests(self) -> bool:
        """Whether the callable gets requests one by one, in a list."""
        return bool(self.requests)

    @property
    def has_details(self) -> bool:
        """Whether the callable can see more of a request than its tensors."""
        return bool(self.context or self.requests)

    def to_json(self) -> dict[str, Any]:
        """A JSON value that `from_json` turns back into an equal declaration."""
        plain = asdict(self)
        plain["inputs"] = [tensor_to_json(tensor) for tensor in self.inputs]
        plain["outputs"] = [tensor_to_json(tensor) for tensor in self.outputs]
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> ModelDeclaration:
        tensors = {side: tuple(tensor_from_json(item) for item in plain[side]) for side in ("inputs", "outputs")}
        return cls(**{**plain, **tensors})


def wrong_name(name: object) -> str:
    """What is wrong with a model's name, which becomes a folder and part of a URL; empty when nothing is."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f'{name!r} is no model name; write name="…" of 1 to 64 of A-Z a-z 0-9 _ -, the first one no -'
    if name.startswith(RESERVED):
        return f'{name!r} begins like the daemon\'s own models; write name="…" that does not begin with {RESERVED}'
    return ""


def tensor_to_json(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "dtype": tensor.dtype.triton,
        "text": tensor.dtype.python is str,
        "shape": list(tensor.shape),
        "optional": tensor.optional,
        "arg": tensor.arg,
    }


def tensor_from_json(plain: dict[str, Any]) -> Tensor:
    dtype = dtype_by_triton_name(plain["dtype"], str if plain["text"] else bytes)
    return Tensor(plain["name"], dtype, plain["shape"], optional=plain["optional"], arg=plain["arg"])
