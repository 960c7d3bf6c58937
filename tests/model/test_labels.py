"""Labels of outputs: what a list and a file may hold, and the message for each mistake."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func
from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.model.labels import MAX_LABELS, MAX_TEXT
from pytriton_plugins.models import declaration_of

Array = NDArray[Any]
NAMES = ("cat", "dog", "bird")


def scores(labels: Any, shape: tuple[int, ...] = (3,), dtype: Any = np.float32) -> Tensor:
    return Tensor("scores", dtype, shape, labels=labels)


def refusal(labels: Any, *more: Any) -> str:
    with pytest.raises(DeclarationError) as refused:
        scores(labels, *more)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 1, 1), (-1,), (-1, 3)])
def test_labels_of_a_list(shape: tuple[int, ...]) -> None:
    assert scores(list(NAMES), shape).labels == scores(NAMES, shape).labels == NAMES
    assert scores(["a: b", "a: b", " ü"]).labels == ("a: b", "a: b", " ü")


@pytest.mark.parametrize(
    "content",
    [b"cat\ndog\nbird\n", b"cat\ndog\nbird", b"cat\r\ndog\r\nbird\r\n\r\n", b"\xef\xbb\xbfcat\ndog\nbird\n\n"],
    ids=["lines", "no end", "of Windows", "byte order mark"],
)
def test_labels_of_a_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    assert scores(tmp_path / "labels.txt").labels == scores(str(tmp_path / "labels.txt")).labels == NAMES


def test_a_file_stands_beside_the_module_that_declares_the_tensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the tensor is used, and whatever the current folder is."""
    package = tmp_path / "labelled_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "names.txt").write_text("cat\ndog\n")
    (package / "tensors.py").write_text(
        "import numpy as np\nfrom pytriton_plugins import Tensor\n\n"
        'SCORES = Tensor("scores", np.float32, (2,), labels="names.txt")\n'
        'UNNAMED = Tensor(dtype=np.float32, shape=(2,), labels="names.txt")\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    tensors = importlib.import_module("labelled_package.tensors")
    monkeypatch.delitem(sys.modules, "labelled_package.tensors")
    assert tensors.SCORES.labels == tensors.UNNAMED.named("scores").labels == ("cat", "dog")


def test_code_without_a_file_means_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook's cell."""
    (tmp_path / "names.txt").write_text("cat\ndog\nbird\n")
    monkeypatch.chdir(tmp_path)
    cell: dict[str, Any] = {"__name__": "__main__", "Tensor": Tensor}
    exec('found = Tensor("scores", "float32", (3,), labels="names.txt").labels', cell)
    assert cell["found"] == NAMES


WRONG_LISTS: list[tuple[Any, str]] = [
    ([], "labels= has no label; write one for each class"),
    ([1, 2, 3], "labels=[1, 2, 3] is not a list of str; write labels="),
    (3, "labels=3 is not a list of str"),
    ({"cat", "dog", "bird"}, "is not a list of str"),
    (["cat", "", "bird"], "label 2 is empty; write the name of its class"),
    (["cat", " \t", "bird"], "label 2 is empty"),
    (["cat", "dog\nwolf", "bird"], r"label 2 'dog\nwolf' has line breaks or other control characters; remove them"),
    (["cat", "dog", "\udfff"], r"label 3 '\udfff' has line breaks or other control characters"),
    (["cat", "ü" * 129, "bird"], "has more than 256 bytes; shorten it"),
    (["x"] * (MAX_LABELS + 1), f"has {MAX_LABELS + 1} labels; write at most {MAX_LABELS}"),
    (["x" * 200] * 6000, f"has more than {MAX_TEXT} bytes; write shorter labels"),
    (["cat", "dog"], "2 labels, and shape (3,) has 3 elements in each row; write a label for each"),
]


@pytest.mark.parametrize(("labels", "message"), WRONG_LISTS, ids=range(len(WRONG_LISTS)))
def test_a_wrong_list(labels: Any, message: str) -> None:
    found = refusal(labels)
    assert found.startswith("Tensor 'scores': ")
    assert message in found


@pytest.mark.parametrize(
    ("shape", "elements"),
    [
        ((1,), "has 1 element in each row"),
        ((), "has 1 element in each row"),
        ((3, 3), "9 elements"),
        ((-1, 2), "has a multiple of 2 elements in each row"),
    ],
)
def test_a_number_of_labels_that_does_not_fit(shape: tuple[int, ...], elements: str) -> None:
    assert elements in refusal(NAMES, shape)


@pytest.mark.parametrize(("dtype", "name"), [(str, "BYTES"), (bool, "BOOL"), (np.float16, "FP16")])
def test_a_type_that_triton_cannot_sort(dtype: Any, name: str) -> None:
    assert f"it cannot sort {name}; write dtype=np.float32, or remove labels=" in refusal(NAMES, (3,), dtype)


WRONG_FILES: list[tuple[bytes, str]] = [
    (b"", "has no label; write one for each class"),
    (b"\n\n", "has no label"),
    (b"cat\n\nbird\n", "line 2 is empty; write the name of its class"),
    (b"cat\ndo\x00g\nbird\n", r"line 2 'do\x00g' has line breaks or other control characters"),
    (b"cat\ndog\nb\xffrd\n", "is not UTF-8 (byte 9); convert it"),
    (b"x" * (MAX_TEXT + 1), f"has more than {MAX_TEXT} bytes; write one label in each line"),
    (b"cat\ndog\n", "2 labels, and shape (3,) has 3 elements"),
]


@pytest.mark.parametrize(("content", "message"), WRONG_FILES, ids=range(len(WRONG_FILES)))
def test_a_wrong_file(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    assert message in refusal(tmp_path / "labels.txt")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    missing = f"labels file {Path(__file__).parent / 'missing.txt'} does not exist; write a path relative to the module"
    assert missing in refusal("missing.txt")
    assert f"labels file {tmp_path} is not a file; write the path of a text file" in refusal(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "cannot be read: Too many levels of symbolic links; write the path of a text file" in refusal(
        tmp_path / "loop"
    )
    assert "cannot be read: embedded null" in refusal("a\0b")


def test_labels_of_an_input() -> None:
    mark = infer_func(name="graded", inputs=[scores(NAMES)], outputs=[Tensor("y", bool, ())])
    with pytest.raises(DeclarationError, match=r"input 'scores' has labels, which are for outputs; remove labels=$"):
        mark(lambda scores: scores)


def graded(
    x: Annotated[Array, Tensor(dtype=np.float32, shape=(3,))],
) -> Annotated[Array, Tensor("scores", np.float32, (3,), labels=NAMES)]:
    return x


def test_labels_in_an_annotation() -> None:
    declaration = declaration_of(infer_func(graded))
    assert declaration is not None
    assert declaration.outputs[0].labels == NAMES
