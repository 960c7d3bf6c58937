"""The example with a repository is what `pytriton-host new --repository` writes, which tests/cli builds and serves."""

from __future__ import annotations

from pytriton_plugins.scaffold import Project
from tests.support.docs.example_files import EXAMPLES


def lines(text: str) -> list[str]:
    """Without the order of imports, which the linter of this checkout sorts as its own."""
    return sorted(filter(None, text.splitlines()))


def test_the_example_is_a_new_project() -> None:
    folder = EXAMPLES / "acme-standard"
    written = {str(path): lines(text) for path, text in Project("acme-standard", "repository").texts("0.1.0")}
    assert {name: lines((folder / name).read_text()) for name in written} == written
