"""From the result of a callable to checked arrays in wire shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import ResultError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.worker.calling.conversion import as_array

Array = NDArray[Any]
Shape = tuple[int, ...]


class OutputChecker:
    """Checks the results of one declaration's batches; what each output needs is computed once."""

    def __init__(self, declaration: ModelDeclaration) -> None:
        self._prefix = f"model {declaration.name!r}"
        self._outputs = [_Output(self._prefix, tensor, declaration.batched) for tensor in declaration.outputs]
        self._names = [output.name for output in self._outputs]

    def check(self, result: Any, rows: int | None, wanted: Sequence[frozenset[str]] | None) -> dict[str, Array]:
        """The arrays in ``result`` by output name, each of the declared dtype and wire shape.

        ``rows`` is the batch axis, None without one; ``wanted`` the outputs that each request asked for (None:
        all). Raises ResultError, one line that names model and output.
        """
        named = result if type(result) is dict else self._named(result)
        outputs: dict[str, Array] = {}
        for output in self._outputs:
            value = named.get(output.name)
            if value is None:
                continue
            if type(value) is not np.ndarray or value.dtype is not output.array_dtype:
                value = as_array(output.prefix, value, output.dtype)
            outputs[output.name] = output.in_wire_shape(value, rows)
        if len(outputs) != len(self._outputs) or len(outputs) != len(named):
            self._check_names(named, outputs, wanted)
        return outputs

    def _named(self, result: Any) -> Mapping[Any, Any]:
        if isinstance(result, Mapping):
            return result
        count = len(self._outputs)
        if result is None:
            self._refuse(f"the callable returned None; return {self._expected()}")
        if isinstance(result, tuple):
            if len(result) != count:
                self._refuse(
                    f"the callable returned a tuple of {len(result)} for {count} declared; return {self._expected()}"
                )
            return dict(zip(self._names, result, strict=True))
        if count > 1:
            self._refuse(
                f"the callable returned one {type(result).__name__} for {count} outputs; return {self._expected()}"
            )
        return {self._names[0]: result}

    def _check_names(self, named: Mapping[Any, Any], outputs: dict[str, Array], wanted: Any) -> None:
        declared = ", ".join(map(repr, self._names))
        unknown = [name for name in named if name not in self._names]
        if unknown:
            self._refuse(f"the callable returned an unknown output {unknown[0]!r}; declared: {declared}")
        for name in self._names:
            if name not in outputs and (wanted is None or any(name in names for names in wanted)):
                how = "is None" if name in named else "is missing"
                self._refuse(f"output {name!r} {how} in the result; return {self._expected()}")

    def _expected(self) -> str:
        if len(self._names) == 1:
            return f"an array for {self._names[0]!r}"
        return f"a dict with {', '.join(map(repr, self._names))}"

    def _refuse(self, problem: str) -> NoReturn:
        raise ResultError(f"{self._prefix}: {problem}")


class _Output:
    """One output's dtype and shape in the form in which they are compared with an array's."""

    def __init__(self, model: str, tensor: Tensor, batched: bool) -> None:
        self.name = tensor.name
        self.prefix = f"{model}: output {tensor.name!r}"
        self.dtype = tensor.dtype
        # Arrays of numbers have this very object as dtype; strings always take the long way.
        self.array_dtype = None if tensor.dtype.python else tensor.dtype.numpy
        self._declared = tensor.shape
        self._rank = len(tensor.shape) + batched
        self._fixed = [(axis, dim) for axis, dim in enumerate(tensor.shape, int(batched)) if dim >= 0]

    def in_wire_shape(self, array: Array, rows: int | None) -> Array:
        shape = array.shape
        if not self._declared and shape == ((1,) if rows is None else (rows, 1)):
            return array  # an output of a called model has it already
        if len(shape) != self._rank or (rows is not None and shape[0] != rows):
            self._refuse(shape, rows)
        for axis, dim in self._fixed:
            if shape[axis] != dim:
                self._refuse(shape, rows)
        if self._declared:
            return array
        return array.reshape((1,) if rows is None else (rows, 1))

    def _refuse(self, got: Shape, rows: int | None) -> NoReturn:
        expected = self._declared if rows is None else (rows, *self._declared)
        if rows is None:
            raise ResultError(f"{self.prefix} has shape {got}, expected {expected}")
        general = f"({', '.join(['B', *map(str, self._declared)])}{'' if self._declared else ','})"
        if got == ():
            raise ResultError(
                f"{self.prefix} is a single value, expected shape {general} with a row for each of the {rows}"
            )
        if len(got) == self._rank and got[0] != rows:
            raise ResultError(f"{self.prefix} has {got[0]} rows, expected {rows}: got shape {got} for {general}")
        raise ResultError(
            f"{self.prefix} has shape {got}, expected {expected}: the declared {general} with {rows} rows"
        )
