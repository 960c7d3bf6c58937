"""The payload of MODEL: the declaration of a model, and how the backend queues its requests."""

from __future__ import annotations

import struct
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from pytriton_plugins.shm import wire

if TYPE_CHECKING:
    from pytriton_plugins.model.declaration import ModelDeclaration
    from pytriton_plugins.model.tensors import Tensor

_MAX_UINT32 = 2**32 - 1
_SEQUENCE, _SHARED = 2048, 4096


class QueuePolicy(NamedTuple):
    """How the backend queues and batches requests; all times in seconds.

    ``size``: requests of the model that may wait for a worker; ``timeout``: how long each may wait; 0: unlimited.
    ``own_timeouts``: a request's own timeout counts where it is shorter. ``delay``: how long a request may wait for
    others to join its batch; ``preferred``: the numbers of rows that make a batch at once, in rising order.
    """

    size: int = 0
    timeout: float = 0.0
    own_timeouts: bool = False
    delay: float = 0.0
    preferred: tuple[int, ...] = ()


def pack_declaration(
    model: ModelDeclaration,
    *,
    wait: float,
    largest_response: int,
    loopback: bool = False,
    lend: bool = False,
    spare: bool = False,
    trim_after: float = 0.0,
    queue: QueuePolicy | None = None,
) -> bytes:
    """The payload of MODEL; all times in seconds.

    ``lend``: whether inputs in a client's own shared memory may be lent to the worker. ``spare``: whether the server
    is ready without the model. ``trim_after`` 0: never. ``queue``: how the backend queues and batches its requests.
    """
    name = model.name.encode()
    queue = queue or QueuePolicy()
    head = wire.DECLARATION.pack(
        _flags(model, loopback=loopback, lend=lend, spare=spare, own_timeouts=queue.own_timeouts),
        model.version,
        round(wait * 1000),
        len(name),
        len(model.inputs),
        len(model.outputs),
        largest_response,
        model.max_batch_size,
        round(model.timeout * 1000),
        min(round(trim_after * 1000), _MAX_UINT32),
        min(ceil(queue.timeout * 1000), _MAX_UINT32),
        queue.size,
        min(round(queue.delay * 1e6), _MAX_UINT32),
        len(queue.preferred),
    )
    if model.sequence is not None:
        head += wire.DECLARED_SEQUENCE.pack(model.sequence.max_live, ceil(model.sequence.max_idle * 1000))
    head += struct.pack(f"<{len(queue.preferred)}I", *queue.preferred)
    return head + name + b"".join(_pack_tensor(tensor) for tensor in (*model.inputs, *model.outputs))


def _flags(model: ModelDeclaration, *, loopback: bool, lend: bool, spare: bool, own_timeouts: bool) -> int:
    form = (model.has_details, model.streams, model.apart, model.is_async)
    flags = (model.batched, loopback, lend, *form, spare, own_timeouts, model.lenient)
    sequence = (_SEQUENCE | (_SHARED if model.takes_requests else 0)) if model.sequence is not None else 0
    return sum(1 << bit for bit, is_set in enumerate(flags) if is_set) | sequence


def _pack_tensor(tensor: Tensor) -> bytes:
    name = tensor.name.encode()
    shape = tensor.wire_shape
    head = wire.DECLARED_TENSOR.pack(tensor.dtype.code, len(shape), int(tensor.optional), len(name))
    return head + struct.pack(f"<{len(shape)}q", *shape) + name
