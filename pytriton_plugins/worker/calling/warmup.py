"""Runs a model's warm-up samples before its worker serves; runs in the worker's main thread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.warmup import warmup_arrays
from pytriton_plugins.worker.calling.errors import failure_of
from pytriton_plugins.worker.calling.request_state import Exchange, Surroundings
from pytriton_plugins.worker.calling.runner import Batch, CallPlan, Outcome

Samples = Sequence[Mapping[str, Any]]


def warm_up(declaration: ModelDeclaration, calls: CallPlan, surroundings: Surroundings, samples: Samples) -> bool:
    """Run each sample as often as it says, as a batch of requests of one row; raises DeclarationError for a failure.

    Triton would run them itself, once for each of its instances and not in every worker, and a sample that fails may
    end it: the instance's thread and the one that gives the instance up race for its list (2.51).
    """
    for name, batch in _batches(declaration, surroundings, samples):
        if not declaration.streams:
            _check(name, calls.run(batch))
            continue
        try:
            for result in calls.callable(**calls.arguments.of(batch)):
                calls.outputs_of(batch, result)
        except Exception as error:
            raise _failed(name, failure_of(error, declaration.name).message) from error
    return True


async def warm_up_async(
    declaration: ModelDeclaration, calls: CallPlan, surroundings: Surroundings, samples: Samples
) -> bool:
    """The same for a callable that is awaited."""
    for name, batch in _batches(declaration, surroundings, samples):
        if not declaration.streams:
            _check(name, await calls.run_async(batch, lambda: False))
            continue
        try:
            async for result in calls.callable(**calls.arguments.of(batch)):
                calls.outputs_of(batch, result)
        except Exception as error:
            raise _failed(name, failure_of(error, declaration.name).message) from error
    return True


def _batches(
    declaration: ModelDeclaration, surroundings: Surroundings, samples: Samples
) -> Iterator[tuple[Any, Batch]]:
    dtypes = {tensor.name: tensor.dtype.numpy for tensor in declaration.outputs}
    for number, sample in enumerate(samples, 1):
        requests = sample.get("batch_size", 1) if declaration.batched else 1
        for _ in range(sample.get("count", 1)):
            arrays = warmup_arrays(declaration, sample)
            exchange = Exchange(surroundings, memoryview(b""), 0, lambda name, shape: np.empty(shape, dtypes[name]))
            yield sample.get("name", number), _batch(declaration, arrays, requests, exchange)


def _batch(declaration: ModelDeclaration, arrays: dict[str, Any], requests: int, exchange: Exchange) -> Batch:
    outputs = frozenset(tensor.name for tensor in declaration.outputs)
    apart: tuple[dict[str, Any], ...] = ()
    if declaration.takes_requests and declaration.batched:
        apart = tuple({name: array[row : row + 1] for name, array in arrays.items()} for row in range(requests))
    elif declaration.takes_requests:
        apart = (arrays,)
    return Batch(arrays, (1,) * requests, (outputs,) * requests, apart, exchange)


def _check(name: Any, outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.error is not None:
            raise _failed(name, outcome.error.message)


def _failed(name: Any, message: str) -> DeclarationError:
    return DeclarationError(f"sample {name!r}: {message}")
