"""The model `file_type` with the real weights, on real files: `samples/` (each named by its label) and a program."""

from __future__ import annotations

import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytriton_plugins.models import declaration_of

from pytriton_plugins_file_type import FileType

MIME_TYPES = {
    "c": "text/x-c",
    "elf": "application/x-executable-elf",
    "gzip": "application/gzip",
    "html": "text/html",
    "json": "application/json",
    "markdown": "text/markdown",
    "pdf": "application/pdf",
    "png": "image/png",
    "python": "text/x-python",
    "shell": "text/x-shellscript",
    "xml": "text/xml",
    "zip": "application/zip",
}


@pytest.fixture(scope="module")
def model() -> FileType:
    return FileType()


def content(label: str) -> bytes:
    path = Path(sys.executable) if label == "elf" else Path(__file__).parent / "samples" / label
    return path.read_bytes()


def rows(*items: bytes) -> np.ndarray[Any, Any]:
    return np.array(items, dtype=object)


def test_every_sample_stands_in_the_table() -> None:
    assert {path.name for path in (Path(__file__).parent / "samples").iterdir()} | {"elf"} == set(MIME_TYPES)


@pytest.mark.parametrize("label", MIME_TYPES)
def test_a_real_file_gets_its_label_and_mime_type(model: FileType, label: str) -> None:
    results = model(rows(content(label)))
    assert results["label"].tolist() == [label]
    assert results["mime_type"].tolist() == [MIME_TYPES[label]]
    assert 0.5 < results["score"][0] <= 1.0


def test_a_batch_keeps_the_order_of_its_rows(model: FileType) -> None:
    labels = ["zip", "python", "zip", "json"]
    results = model(rows(*map(content, labels)))
    assert results["label"].tolist() == labels
    assert [(array.shape, array.dtype.str) for array in results.values()] == [((4,), "|O"), ((4,), "|O"), ((4,), "<f4")]


def test_empty_content_is_told_as_empty(model: FileType) -> None:
    assert model(rows(b"", b"\x00"))["label"].tolist()[0] == "empty"


def test_results_are_plain_strings(model: FileType) -> None:
    assert {type(value) for value in model(rows(content("pdf")))["label"]} == {str}


def test_the_declaration_is_a_batched_class_with_scalars() -> None:
    declaration = declaration_of(FileType)
    assert declaration is not None
    assert (declaration.name, declaration.kind, declaration.batched) == ("file_type", "class", True)
    assert [(tensor.name, tensor.dtype.written, tensor.shape) for tensor in declaration.outputs] == [
        ("label", "str", ()),
        ("mime_type", "str", ()),
        ("score", "np.float32", ()),
    ]


def test_the_entry_point_leads_to_the_model() -> None:
    (point,) = distribution("pytriton-plugins-file-type").entry_points.select(group="pytriton_plugins.models")
    assert point.load().FileType is FileType
