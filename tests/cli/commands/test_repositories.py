"""`list` and `config` show the models of repositories, with a repository that has a broken one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Called
from tests.support.models.repositories import ensemble, install_model, write

FILE = """
enable = ["plus"]
model_repositories = ["models"]

[models.kept]
required = true

[models.left]
required = false
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the repository, whose ensembles contain a plugin's model."""
    install_model(tmp_path / "site", "plus", "x + 1")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    (tmp_path / "pytriton-host.toml").write_text(FILE)
    for name in ("kept", "left", "other"):
        write(tmp_path / "models", name, ensemble("plus"))
    write(tmp_path / "models", "broken", "")
    return tmp_path / "models"


def required(called: Called, *options: str) -> dict[str, tuple[bool, str]]:
    """Whether each model is required, and the source of that."""
    rows = json.loads(called("config", "--models", "--json", *options).out)["settings"]
    found = {row["setting"]: (row["value"], row["source"]) for row in rows}
    return {name: found[f"{name} 1: required"] for name in ("kept", "left", "other")}


def test_a_broken_model_hides_no_other(called: Called, folder: Path) -> None:
    (row,) = [line for line in called("list", "--models").out.splitlines() if line.startswith(str(folder))]
    names = ", ".join(f"{name} 1 (calls plus)" for name in ("kept", "left", "other"))
    assert f"{names}; broken: model broken: config.pbtxt: it names neither" in row


def test_the_source_of_required_of_an_optional_repository(called: Called, folder: Path) -> None:
    file = folder.parent / "pytriton-host.toml"
    assert required(called, f"--optional={folder}") == {
        "kept": (True, f"{file}: models.kept"),
        "left": (False, f"{file}: models.left"),
        "other": (False, "--optional"),
    }


def test_the_source_of_required_of_a_model_of_a_repository(called: Called, folder: Path) -> None:
    file = folder.parent / "pytriton-host.toml"
    assert required(called, "--optional=kept") == {
        "kept": (False, "--optional"),
        "left": (False, f"{file}: models.left"),
        "other": (True, "default"),
    }
