"""Tensor declarations and the data types that Triton supports."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Union

import numpy as np

from pytriton_plugins.errors import DeclarationError, known_keywords
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import closest

if TYPE_CHECKING:
    from os import PathLike

MAX_RANK = 8
"""Highest number of dimensions of a tensor on the wire, the batch axis included (docs/reference/protocol.md)."""

_MAX_DIM = 2**63 - 1


@dataclass(frozen=True)
class DType:
    """One of Triton's data types.

    ``code`` is its number on the wire and in Triton's C API, ``item_size`` its bytes per element (0 for
    BYTES), ``python`` is ``bytes`` or ``str`` for BYTES tensors and None for all others.
    """

    code: int
    triton: str
    numpy: np.dtype[Any]
    item_size: int
    python: type | None = None

    @property
    def config(self) -> str:
        """The name in a model configuration, such as ``TYPE_FP32``."""
        return "TYPE_STRING" if self.python else f"TYPE_{self.triton}"

    @property
    def written(self) -> str:
        """The spelling in an author's module, such as ``np.float32`` or ``str``."""
        if self.python:
            return self.python.__name__
        if self.numpy.name == _BFLOAT16:
            return "ml_dtypes.bfloat16"
        return "bool" if self.triton == "BOOL" else f"np.{self.numpy.name}"

    @property
    def is_raw(self) -> bool:
        """Whether arrays hold raw bits, because numpy has no type for the numbers here."""
        return self.triton == "BF16" and self.numpy.name != _BFLOAT16


def _fixed(code: int, triton: str, numpy: type) -> DType:
    dtype: np.dtype[Any] = np.dtype(numpy)
    return DType(code, triton, dtype, dtype.itemsize)


BOOL = _fixed(1, "BOOL", np.bool_)
BYTES = DType(13, "BYTES", np.dtype(object), 0, bytes)
STR = DType(13, "BYTES", np.dtype(object), 0, str)
NUMERIC = (
    BOOL,
    _fixed(2, "UINT8", np.uint8),
    _fixed(3, "UINT16", np.uint16),
    _fixed(4, "UINT32", np.uint32),
    _fixed(5, "UINT64", np.uint64),
    _fixed(6, "INT8", np.int8),
    _fixed(7, "INT16", np.int16),
    _fixed(8, "INT32", np.int32),
    _fixed(9, "INT64", np.int64),
    _fixed(10, "FP16", np.float16),
    _fixed(11, "FP32", np.float32),
    _fixed(12, "FP64", np.float64),
)
_BFLOAT16 = "bfloat16"


@cache
def bfloat16() -> DType:
    """BF16: arrays of ``ml_dtypes.bfloat16`` where that is installed, elsewhere the bits as ``np.uint16``."""
    # Not at import: few models use it, and most environments have no ml_dtypes.
    try:
        import ml_dtypes
    except ImportError:
        return DType(14, "BF16", np.dtype(np.uint16), 2)
    return DType(14, "BF16", np.dtype(ml_dtypes.bfloat16), 2)


_BY_NUMPY = {dtype.numpy: dtype for dtype in NUMERIC}
_BY_NAME = {dtype.triton: dtype for dtype in NUMERIC}

_WITHOUT_WIDTH = {
    **dict.fromkeys(("float", "float_"), "float"),
    **dict.fromkeys(("int", "int_", "long", "intp"), "int"),
    **dict.fromkeys(("uint", "ulong", "uintp"), "uint"),
}
"""Names without a number of bits, or whose number depends on the machine; classes such as ``np.int_`` are valid."""

DTypeLike = Union[str, type, "np.dtype[Any]", DType]


def as_dtype(value: Any) -> DType:
    """The data type that ``value`` names: a numpy dtype, class or string, ``bytes``, ``str``, ``bool``, ``"bfloat16"``.

    Raises DeclarationError for Python's ``int`` and ``float`` (32 or 64 bits?) and for dtypes that Triton lacks.
    """
    if isinstance(value, DType):
        return value
    # By identity: np.dtype("float64") == float, but the dtype names its bits and float does not.
    if value is bytes or value is str:
        return BYTES if value is bytes else STR
    if isinstance(value, str) and value == _BFLOAT16:
        return bfloat16()
    kind = _WITHOUT_WIDTH.get(value.__name__ if value is int or value is float else value) if _is_named(value) else None
    if kind:
        raise DeclarationError(f"dtype {_shown(value)} may mean 32 or 64 bits; write np.{kind}32 or np.{kind}64")
    try:
        dtype = np.dtype(_named_dtype(value))
    except (TypeError, ValueError, SyntaxError):
        raise DeclarationError(f"invalid dtype {_shown(value)}; write {_dtype_meant(value)}") from None
    if dtype.name == _BFLOAT16:
        return bfloat16()
    if dtype.kind == "S":
        return BYTES
    if dtype.kind == "U":
        return STR
    found = _BY_NUMPY.get(dtype.newbyteorder("="))
    if found is None:
        names = ", ".join(known.written for known in NUMERIC)
        raise DeclarationError(f"Triton has no dtype {dtype}; write one of {names}, bytes or str")
    return found


def _named_dtype(value: Any) -> Any:
    # numpy would also take None (float64), and any object that has a dtype.
    if isinstance(value, (str, type, np.dtype)):
        return value
    raise TypeError


def _is_named(value: Any) -> bool:
    return isinstance(value, (str, type))


def _shown(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else one_line(repr(value), 60)


def _dtype_meant(value: Any) -> str:
    """A valid dtype to write instead of ``value``, which may be Triton's name or a dtype of another library."""
    word = str(value).rpartition(".")[2]  # str(torch.float32) is 'torch.float32'
    name = word.upper().removeprefix("TYPE_")
    if name in ("BYTES", "STRING"):
        return "bytes or str"
    if name == "BF16":
        return '"bfloat16"'
    if name in _BY_NAME:
        return _BY_NAME[name].written
    found = closest(word, [dtype.numpy.name for dtype in NUMERIC]) if _is_word(word) else []
    known = next((dtype.written for dtype in NUMERIC if dtype.numpy.name in found), "a numpy dtype such as np.float32")
    return known if found else f"{known}, or bytes, str, bool"


def _is_word(text: str) -> bool:
    return text.isalnum() and len(text) > 2


def dtype_by_triton_name(name: str, python: type | None = None) -> DType:
    """The data type of KServe's ``name`` (``FP32``, ``BYTES``, …); ``python`` selects ``str`` or ``bytes``."""
    if name == "BYTES":
        return STR if python is str else BYTES
    if name == "BF16":
        return bfloat16()
    return _BY_NAME[name]


@dataclass(frozen=True, init=False)
class Tensor:
    """One input or output of a model.

    ``shape`` does not include the batch axis; -1 is a dimension of any length, ``()`` a scalar per request row.
    A client may omit ``optional`` inputs; ``arg`` is the keyword of the callable where ``name`` is not a Python
    identifier. Inside ``Annotated`` the name is omitted: ``Tensor(dtype=np.float32, shape=(-1,))``.
    ``format``: how an input of three dimensions holds an image, for clients of images. ``labels``: the classes of an
    output's elements, for Triton's classification extension: their names, or a file with one in each line, relative to
    the module that declares the tensor. Raises DeclarationError.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    optional: bool
    arg: str
    format: str
    labels: tuple[str, ...] = field(repr=False)

    @known_keywords("Tensor", DeclarationError)
    def __init__(
        self,
        name: str | None = None,
        dtype: DTypeLike | None = None,
        shape: Sequence[int] | None = None,
        *,
        optional: bool = False,
        arg: str | None = None,
        format: Literal["NHWC", "NCHW"] | None = None,
        labels: Sequence[str] | PathLike[str] | None = None,
    ) -> None:
        text = _checked_name(name)
        where = f"Tensor {text!r}" if text else "Tensor"
        if dtype is None:
            raise DeclarationError(f"{where}: the dtype is missing; write for example dtype=np.float32")
        if shape is None:
            raise DeclarationError(
                f"{where}: the shape is missing; write for example shape=(-1,), without the batch axis"
            )
        try:
            checked_dtype = as_dtype(dtype)
        except DeclarationError as error:
            raise DeclarationError(f"{where}: {error}") from None
        if arg is not None and not (isinstance(arg, str) and arg):
            raise DeclarationError(
                f'{where}: arg={arg!r} is not the name of a parameter; write for example arg="image"'
            )
        object.__setattr__(self, "name", text)
        object.__setattr__(self, "dtype", checked_dtype)
        object.__setattr__(self, "shape", _checked_shape(where, shape))
        object.__setattr__(self, "optional", bool(optional))
        object.__setattr__(self, "arg", arg or text)
        object.__setattr__(self, "format", "" if format is None else _checked_format(self, where, format))
        object.__setattr__(self, "labels", () if labels is None else _checked_labels(self, where, labels))

    def named(self, name: str) -> Tensor:
        """This tensor under ``name``, for a declaration that takes the name from a parameter."""
        named = copy(self)
        object.__setattr__(named, "name", name)
        object.__setattr__(named, "arg", self.arg or name)
        return named

    @property
    def wire_shape(self) -> tuple[int, ...]:
        """The shape as Triton sees it: a scalar is sent as ``[1]``, because Triton refuses empty dims."""
        return self.shape or (1,)


def _checked_format(tensor: Tensor, where: str, value: Any) -> str:
    from pytriton_plugins.model.image_format import checked_format  # few models have images

    return checked_format(where, value, is_text=bool(tensor.dtype.python), shape=tensor.shape)


def _checked_labels(tensor: Tensor, where: str, value: Any) -> tuple[str, ...]:
    from pytriton_plugins.model.labels import checked_labels  # few models have labels

    return checked_labels(where, value, triton_type=tensor.dtype.triton, shape=tensor.shape)


def _checked_name(name: Any) -> str:
    if name is None:
        return ""
    if isinstance(name, str) and name:
        return name
    if isinstance(name, str):
        raise DeclarationError('Tensor: the name is empty; write for example Tensor("image", np.uint8, (-1, -1, 3))')
    raise DeclarationError(
        f"Tensor: the first positional argument is the name, not {name!r}; "
        'write Tensor("image", np.uint8, (-1, -1, 3)), or keywords inside Annotated: Tensor(dtype=…, shape=…)'
    )


def _checked_shape(where: str, shape: Any) -> tuple[int, ...]:
    if isinstance(shape, (int, np.integer)):
        raise DeclarationError(f"{where}: shape {shape} is not a tuple; write shape=({shape},)")
    if not isinstance(shape, (list, tuple)) or not all(_is_whole(dim) for dim in shape):
        raise DeclarationError(
            f"{where}: shape {shape!r} is not a tuple of whole numbers; write for example shape=(-1, 3)"
        )
    dims = tuple(int(dim) for dim in shape)
    if len(dims) >= MAX_RANK:
        raise DeclarationError(f"{where}: {len(dims)} dimensions; write at most {MAX_RANK - 1}, without the batch axis")
    invalid = [dim for dim in dims if dim == 0 or not -1 <= dim <= _MAX_DIM]
    if invalid:
        raise DeclarationError(
            f"{where}: invalid dimension {invalid[0]} in shape {dims}; write -1 for any length, or a positive number"
        )
    return dims


def _is_whole(dim: Any) -> bool:
    return isinstance(dim, (int, np.integer)) and not isinstance(dim, bool)
