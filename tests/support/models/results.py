"""A model that returns the result that its input names, of every wrong kind; for the tests of results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import RequestError, Tensor, infer_func

Array = NDArray[Any]


class Odd(RuntimeError):
    """An exception of the author's own."""


def _fails(rows: int) -> None:
    raise Odd(f"no luck with {rows}, see {Path(__file__).name}")


def _refuses(rows: int) -> None:
    raise RequestError("the client should know better", code="INVALID_ARG")


def _wrong_name(rows: int) -> dict[str, Array]:
    return {"z": np.zeros((rows, 3), np.float32)}


def _objects(rows: int) -> Array:
    array = np.empty((rows, 3), object)
    array[:] = 1.0
    return array


RESULTS: dict[str, Any] = {
    "good": lambda rows: np.full((rows, 3), 7, np.float32),
    "raises": _fails,
    "refuses": _refuses,
    "none": lambda rows: None,
    "wrong name": _wrong_name,
    "wrong shape": lambda rows: np.zeros((rows, 4), np.float32),
    "wrong rows": lambda rows: np.zeros((rows + 1, 3), np.float32),
    "wrong rank": lambda rows: np.zeros(rows, np.float32),
    "float64": lambda rows: np.zeros((rows, 3)),
    "objects": _objects,
}


@infer_func(inputs=[Tensor("what", str, ())], outputs=[Tensor("y", np.float32, (3,))], max_batch_size=4)
def results(what: Array) -> Any:
    """The result that the first row names."""
    kind, _, code = what[0].partition(" code ")
    if code:
        raise RequestError(kind, code=code)
    return RESULTS[what[0]](len(what))


@infer_func(inputs=[Tensor("bytes", np.int64, ())], outputs=[Tensor("y", np.uint8, (-1,))], max_batch_size=4)
def large(**inputs: Array) -> Array:
    """An array of that many bytes without memory behind it, so that only its size matters."""
    return np.broadcast_to(np.uint8(1), (len(inputs["bytes"]), int(inputs["bytes"][0])))
