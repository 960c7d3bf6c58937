"""The list of words that this project does not use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.words import files_of_the_checkout, findings, findings_in


@pytest.mark.parametrize(
    "line",
    [
        "'x' is no port",
        "There are no ports, and these are no numbers",
        "read by nobody",
        "A worker lets go of its segment",
        "the time-out of a model",
        "A flag goes before a variable",
        "    said = message()",
        "took: float = clock() - began",
    ],
)
def test_a_word_of_the_list_is_found(line: str) -> None:
    (found,) = findings_in(Path("page.md"), line)
    assert (found.file, found.line) == (Path("page.md"), 1)
    assert found.instead


@pytest.mark.parametrize(
    "line",
    [
        "There is no port",
        "it is no longer there",
        "a worker is no more",
        "an honest message",
        "if said == 1:",
        "timeout",
    ],
)
def test_a_plain_line_passes(line: str) -> None:
    assert list(findings_in(Path("page.md"), line)) == []


def test_the_files_of_a_checkout_are_read(tmp_path: Path) -> None:
    """Only files with prose are read, and none that a build or a tool has made."""
    for name in ("page.md", "build/page.md", "image.png", "folder/module.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("It is no port.\n")
    files = list(files_of_the_checkout(tmp_path))
    assert files == [Path("folder/module.py"), Path("page.md")]
    assert [str(found) for found in findings(files, tmp_path)] == [
        f"{name}:1: 'is no'; write: is not a, does not, there is no" for name in ("folder/module.py", "page.md")
    ]
