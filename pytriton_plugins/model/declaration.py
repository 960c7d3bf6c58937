"""`ModelDeclaration`: what a marked callable declares, as data that a worker sends to the daemon."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pytriton_plugins.model.callee import Callee, callees_from_json
from pytriton_plugins.model.sequence import Sequence, read_sequence
from pytriton_plugins.model.tensors import Tensor, dtype_by_triton_name

Kind = Literal["function", "class"]
Answers = Literal["plain", "async", "stream", "async_stream"]
"""How the callable answers: it returns, is awaited, or yields any number of responses."""

RESERVED_PREFIX = "pytriton_gate"
"""Of the names of the daemon's own models."""

MAX_TIMEOUT = 86400
"""Seconds."""

MAX_SLOTS = 256
"""Each slot needs a thread in tritonserver, a socket and two segments."""

INT32 = 2**31 - 1
"""The largest number of Triton's configuration."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class ModelDeclaration:
    """One model: its name and version, tensors in declared order, and how its callable is run.

    ``max_batch_size`` 0 means no batch axis. ``timeout``: seconds that a batch may take in a worker, 0 for unlimited.
    ``slots``: batches in flight in each worker at most. ``context`` and ``requests``: the parameters that get a
    `Context` and the list of requests; empty where the callable takes none.
    ``object_name``: the callable's name in its module. ``settings``: the parameters of its ``__init__``, and whether
    each is required; None: any. ``equal_shapes``: the requests of a list have equal shapes. ``lenient``: outputs may
    be missing, and have any shape. Both are for attached callables of other packages' kinds.
    ``calls``: the models that the callable calls by its `Context`. ``sequence``: how its requests form sequences; None
    for a model without state.
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
    equal_shapes: bool = False
    lenient: bool = False
    calls: tuple[Callee, ...] = ()
    sequence: Sequence | None = None

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
        """Whether the callable gets a list of requests."""
        return bool(self.requests)

    @property
    def apart(self) -> bool:
        """Whether each request of a batch has tensors of its own, whose shapes may differ."""
        return self.takes_requests and not self.equal_shapes

    @property
    def has_details(self) -> bool:
        """Whether the callable can see more of a request than its tensors."""
        return bool(self.context or self.requests)

    def declares_call(self, name: str, version: int = 0) -> bool:
        """Whether ``calls`` has this model; ``version`` 0: the call does not choose one."""
        return any(callee.name == name and callee.version in (0, version) for callee in self.calls)

    def to_json(self) -> dict[str, Any]:
        """A JSON value that `from_json` turns back into an equal declaration."""
        plain = asdict(self)
        plain["inputs"] = [tensor_to_json(tensor) for tensor in self.inputs]
        plain["outputs"] = [tensor_to_json(tensor) for tensor in self.outputs]
        plain["calls"] = [list(callee) for callee in self.calls]
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> ModelDeclaration:
        """The same from a trusted source; `declared_fields` reads what another process has sent."""
        tensors = {side: tuple(tensor_from_json(item) for item in plain[side]) for side in ("inputs", "outputs")}
        calls, sequence = callees_from_json(plain.get("calls", [])), read_sequence(plain.get("sequence"))
        return cls(**{**plain, **tensors, "calls": calls, "sequence": sequence})


def wrong_name(name: object) -> str:
    """The problem of a model's name, which becomes a folder and part of a URL; empty for a valid name."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f'invalid model name {name!r}; write name="…" with 1 to 64 of A-Z a-z 0-9 _ -, not beginning with -'
    if name.startswith(RESERVED_PREFIX):
        return (
            f"model name {name!r} is reserved for the daemon's own models; "
            f'write name="…" that does not begin with {RESERVED_PREFIX}'
        )
    return ""


def tensor_to_json(tensor: Tensor) -> dict[str, Any]:
    image = {"format": tensor.format} if tensor.format else {}
    classes = {"labels": list(tensor.labels)} if tensor.labels else {}
    return {
        "name": tensor.name,
        "dtype": tensor.dtype.triton,
        "text": tensor.dtype.python is str,
        "shape": list(tensor.shape),
        "optional": tensor.optional,
        "arg": tensor.arg,
        **image,
        **classes,
    }


def tensor_from_json(plain: dict[str, Any]) -> Tensor:
    dtype = dtype_by_triton_name(plain["dtype"], str if plain["text"] else bytes)
    if type(plain["optional"]) is not bool:
        raise ValueError(f"invalid optional {plain['optional']!r} of a tensor")
    labels = plain.get("labels")
    if labels is not None and not isinstance(labels, list):  # a text would be the path of a file to read
        raise ValueError(f"invalid labels {labels!r} of a tensor")
    details = {"optional": plain["optional"], "arg": plain["arg"], "format": plain.get("format"), "labels": labels}
    return Tensor(plain["name"], dtype, plain["shape"], **details)
