"""Runs a model's warm-up samples before its worker serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.warmup import warmup_arrays
from pytriton_plugins.worker.calling.batch import Batch, Outcome
from pytriton_plugins.worker.calling.errors import failure_of
from pytriton_plugins.worker.calling.request_state import RequestState, SharedState
from pytriton_plugins.worker.calling.runner import BatchRunner

Samples = Sequence[Mapping[str, Any]]


class NewArrays:
    """Memory for outputs outside of any segment."""

    def __init__(self, declaration: ModelDeclaration) -> None:
        self._dtypes = {tensor.name: tensor.dtype.numpy for tensor in declaration.outputs}

    def empty(self, name: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """A new array for the output ``name``."""
        return np.empty(shape, self._dtypes[name])


async def warm_up(declaration: ModelDeclaration, runner: BatchRunner, shared: SharedState, samples: Samples) -> None:
    """Run each sample ``count`` times, as a batch of requests of one row; raises DeclarationError for a failure.

    Nothing waits unless the callable is awaited, so other callables need no event loop.

    Triton would run samples itself, once for each of its instances and not in every worker, and a sample that fails
    can end it: the thread of the instance and the one that removes the instance race for its list (2.51).
    """
    for name, batch in _batches(declaration, shared, samples):
        if not declaration.streams:
            _check(name, await _outcomes(declaration, runner, batch))
            continue
        try:
            async for result in _results(declaration, runner.callable(**runner.arguments.build(batch))):
                runner.checked_part(batch, result)
        except Exception as error:
            raise _failed(name, failure_of(error, declaration.name).message) from error


async def _outcomes(declaration: ModelDeclaration, runner: BatchRunner, batch: Batch) -> list[Outcome]:
    return await runner.run_async(batch, lambda: False) if declaration.is_async else runner.run(batch)


async def _results(declaration: ModelDeclaration, stream: Any) -> AsyncIterator[Any]:
    if declaration.is_async:
        async for result in stream:
            yield result
    else:
        for result in stream:
            yield result


def _batches(declaration: ModelDeclaration, shared: SharedState, samples: Samples) -> Iterator[tuple[Any, Batch]]:
    for number, sample in enumerate(samples, 1):
        requests = sample.get("batch_size", 1) if declaration.batched else 1
        for _ in range(sample.get("count", 1)):
            arrays = warmup_arrays(declaration, sample)
            state = RequestState(shared, memoryview(b""), 0, NewArrays(declaration))
            yield sample.get("name", number), _batch(declaration, arrays, requests, state)


def _batch(declaration: ModelDeclaration, arrays: dict[str, Any], requests: int, state: RequestState) -> Batch:
    outputs = frozenset(tensor.name for tensor in declaration.outputs)
    separate: tuple[dict[str, Any], ...] = ()
    if declaration.apart and declaration.batched:
        separate = tuple({name: array[row : row + 1] for name, array in arrays.items()} for row in range(requests))
    elif declaration.apart:
        separate = (arrays,)
    return Batch(arrays, (1,) * requests, (outputs,) * requests, separate, state)


def _check(name: Any, outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.error is not None:
            raise _failed(name, outcome.error.message)


def _failed(name: Any, message: str) -> DeclarationError:
    return DeclarationError(f"sample {name!r}: {message}")
