"""Models that return odd arrays, or keep or change what they get; each doubles what begins with 0, else is hostile."""

from __future__ import annotations

import ctypes
import tempfile
import threading
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
TABLE = Tensor("y", np.float32, (-1, -1))
ONE_TWO = np.array([1, 2], np.float32)
KEPT: list[object] = []


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def inputs_kept(x: Array) -> Array:
    if x[0]:
        KEPT.extend([x] * 1000)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def input_written_through_a_pointer(x: Array) -> Array:
    if x[0]:
        ctypes.memset(x.__array_interface__["data"][0], 0, x.nbytes)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def input_made_writeable(x: Array) -> Array:
    if x[0]:
        x.flags.writeable = True
        x *= 2
        return x
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def input_resized(x: Array) -> Any:
    if x[0]:
        x.shape = (1, -1)  # the input itself, not a view
        return 2 * x[0]
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def input_returned(x: Array) -> Array:
    return x if x[0] else 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def reversed_view(x: Array) -> Array:
    return (2 * x[::-1])[::-1] if x[0] else 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def every_second_of_an_input(x: Array) -> Array:
    return np.repeat(2 * x, 2)[::2] if x[0] else 2 * x


@infer_func(inputs=[X], outputs=[TABLE], max_batch_size=0)
def fortran_order(x: Array) -> Array:
    return np.asfortranarray(np.outer(x, ONE_TWO)) if x[0] else 2 * x.reshape(-1, 1)


@infer_func(inputs=[X], outputs=[TABLE], max_batch_size=0)
def broadcast_without_strides(x: Array) -> Array:
    return np.broadcast_to(np.float32(2), (3, 2)) if x[0] else 2 * x.reshape(-1, 1)


@infer_func(inputs=[X], outputs=[TABLE], max_batch_size=0)
def broadcast_to_a_terabyte(x: Array) -> Array:
    return np.broadcast_to(np.float32(2), (1 << 20, 1 << 18)) if x[0] else 2 * x.reshape(-1, 1)


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def big_endian(x: Array) -> Array:
    return (2 * x).astype(">f4") if x[0] else 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def not_aligned(x: Array) -> Array:
    if x[0]:
        array = np.frombuffer(bytearray(1 + x.nbytes), np.float32, len(x), 1)
        array[:] = 2 * x
        return array
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def mapped_file(x: Array) -> Array:
    if x[0]:
        with tempfile.TemporaryFile() as file:
            array = np.memmap(file, np.float32, "w+", shape=x.shape)
        array[:] = 2 * x
        return array
    return 2 * x


class Subclass(np.ndarray):
    def __getitem__(self, item: Any) -> NoReturn:
        raise RuntimeError("no item")

    def __array_finalize__(self, other: object) -> None:
        pass

    def __array_function__(self, *_: Any) -> NoReturn:
        raise RuntimeError("no function")

    def __array_ufunc__(self, *_: Any, **__: Any) -> NoReturn:
        raise RuntimeError("no arithmetic")


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def subclass_that_raises(x: Array) -> Any:
    return (2 * x).view(Subclass) if x[0] else 2 * x


class Odd:
    def __float__(self) -> float:
        raise RuntimeError("no number")

    def __len__(self) -> int:
        return -1

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("equals nothing")

    __hash__ = None  # type: ignore[assignment]


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def objects(x: Array) -> Any:
    return np.array([Odd() for _ in x]) if x[0] else 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def list_that_holds_itself(x: Array) -> Any:
    if x[0]:
        loop: list[Any] = [1.0]
        loop.append(loop)
        return loop
    return 2 * x


class PointerToNothing:
    def __init__(self, shape: tuple[int, ...]) -> None:
        self.__array_interface__ = {"shape": shape, "typestr": "<f4", "data": (8, True), "version": 3}


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def pointer_to_nothing(x: Array) -> Any:
    return PointerToNothing(x.shape) if x[0] else 2 * x


class ArrayRaises:
    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise RuntimeError("no array\n" * 100_000)


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def array_protocol_raises(x: Array) -> Any:
    return ArrayRaises() if x[0] else 2 * x


class OddDict(dict[str, Any]):
    def get(self, *_: Any) -> NoReturn:
        raise RuntimeError("gives nothing")

    __len__ = __iter__ = get


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def dict_that_raises(x: Array) -> Any:
    return OddDict(y=2 * x) if x[0] else 2 * x


def change_for_ever(array: Array) -> None:
    while True:
        array *= -1


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def changed_while_written(x: Array) -> Array:
    """By a thread, for ever."""
    if x[0]:
        array = np.ones(1 << 20, np.float32)
        threading.Thread(target=change_for_ever, args=(array,), daemon=True).start()
        return array
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def answer_of_a_hundred_megabytes(x: Array) -> Array:
    return np.full(25 << 20, 2, np.float32) if x[0] else 2 * x
