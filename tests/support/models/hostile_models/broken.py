"""Exceptions that break whoever looks at them; each model doubles what begins with 0 and raises else."""

from __future__ import annotations

import builtins
import logging
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import RequestError, Tensor, infer_func

Array = NDArray[Any]
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def text_of_ten_megabytes_of_accents(x: Array) -> Array:
    if x[0]:
        raise ValueError("é" * 5_000_000)
    return 2 * x


class Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no name")


class HasNoName(Exception, metaclass=Nameless):
    pass


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def name_raises(x: Array) -> Array:
    if x[0]:
        raise HasNoName("text")
    return 2 * x


class AttributesRaise(Exception):
    def __getattribute__(self, name: str) -> NoReturn:
        raise RuntimeError("no attribute")


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def attributes_raise(x: Array) -> Array:
    if x[0]:
        raise AttributesRaise("text")
    return 2 * x


class ClassRaises(Exception):
    @property  # type: ignore[misc]
    def __class__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("no class")

    __cause__ = __context__ = __traceback__ = __class__


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def class_raises(x: Array) -> Array:
    if x[0]:
        raise ClassRaises("text")
    return 2 * x


class CodeRaises(RequestError):
    def __init__(self) -> None:
        Exception.__init__(self, "text")

    @property
    def code(self) -> NoReturn:  # type: ignore[override]
        raise GeneratorExit


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def code_raises(x: Array) -> Array:
    if x[0]:
        raise CodeRaises
    return 2 * x


class Text(str):
    def isprintable(self) -> bool:
        raise RuntimeError("no method works")

    __getitem__ = __format__ = __len__ = __iter__ = encode = isprintable  # type: ignore[assignment]


class StrOfHostileText(Exception):
    def __str__(self) -> str:
        return Text("hostile text")


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def str_of_hostile_text(x: Array) -> Array:
    if x[0]:
        raise StrOfHostileText
    return 2 * x


class StrExits(Exception):
    def __str__(self) -> str:
        raise GeneratorExit


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def str_raises_base_exception(x: Array) -> Array:
    if x[0]:
        raise StrExits
    return 2 * x


class Breaks(logging.Handler):
    def handle(self, record: logging.LogRecord) -> NoReturn:
        raise RuntimeError("no handler works")


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def log_handler_raises(x: Array) -> Array:
    if x[0]:
        logging.getLogger().handlers[:] = [Breaks()]
        raise ValueError("not logged")
    return 2 * x


def refuse(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("it was replaced")


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def log_records_raise(x: Array) -> Array:
    if x[0]:
        logging.setLogRecordFactory(refuse)
        raise ValueError("not logged")
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def builtins_replaced(x: Array) -> Array:
    if x[0]:
        builtins.print = builtins.open = builtins.__import__ = refuse
        raise ValueError("told all the same")
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
async def builtins_replaced_in_a_loop(x: Array) -> Array:
    if x[0]:
        builtins.print = builtins.open = builtins.__import__ = refuse
        raise ValueError("told all the same")
    return 2 * x
