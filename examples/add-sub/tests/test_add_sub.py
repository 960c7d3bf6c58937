"""The model `add_sub`, called as a plain function and read from the installed package's metadata."""

from __future__ import annotations

from importlib.metadata import distribution

import numpy as np
import pytest
from pytriton_plugins.models import declaration_of

from pytriton_plugins_add_sub import add_sub


def test_a_batch_gives_exact_sums_and_differences_of_its_dtype() -> None:
    a = np.array([[1.0, 2.5, -3.0], [0.0, 1e6, 0.125]], dtype=np.float32)
    b = np.array([[4.0, 0.5, 3.0], [-1.0, 1.0, 0.25]], dtype=np.float32)
    results = add_sub(a, b)
    assert {name: array.dtype for name, array in results.items()} == {"sum": np.float32, "difference": np.float32}
    assert results["sum"].tolist() == [[5.0, 3.0, 0.0], [-1.0, 1000001.0, 0.375]]
    assert results["difference"].tolist() == [[-3.0, 2.0, -6.0], [1.0, 999999.0, -0.125]]


def test_empty_vectors_are_added_to_empty_vectors() -> None:
    empty = np.zeros((2, 0), dtype=np.float32)
    assert [array.shape for array in add_sub(empty, empty).values()] == [(2, 0), (2, 0)]


def test_vectors_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        add_sub(np.zeros((1, 2), np.float32), np.zeros((1, 3), np.float32))


def test_the_declaration_names_the_tensors_in_order() -> None:
    declaration = declaration_of(add_sub)
    assert declaration is not None
    assert (declaration.name, declaration.batched) == ("add_sub", True)
    assert [tensor.name for tensor in declaration.inputs] == ["a", "b"]
    assert [tensor.name for tensor in declaration.outputs] == ["sum", "difference"]


def test_the_entry_point_leads_to_the_model() -> None:
    (point,) = distribution("pytriton-plugins-add-sub").entry_points.select(group="pytriton_plugins.models")
    assert point.load().add_sub is add_sub
