"""The references with and without targets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytriton_plugins.discovery.entry_points import MODELS_GROUP
from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.discovery.selection import references_of
from pytriton_plugins.errors import DiscoveryError
from tests.support.sandbox.fake_distributions import install


def test_without_targets_every_installed_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "acme", {MODELS_GROUP: {"add": "acme_add"}})
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert references_of() == [ModelReference("add", "acme_add", "acme", "1.0")]


def test_a_file_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert references_of(["model.py", "pkg.mod:add", "model.py", "./model.py:add"]) == [
        ModelReference("model.py", str(tmp_path / "model.py")),
        ModelReference("pkg.mod:add", "pkg.mod:add"),
        ModelReference("./model.py:add", f"{tmp_path / 'model.py'}:add"),
    ]


def test_a_target_that_is_not_there() -> None:
    with pytest.raises(DiscoveryError, match=r"nothing.py is not a file"):
        references_of(["nothing.py"])
    with pytest.raises(DiscoveryError, match="neither a module nor a Python file"):
        references_of(["add-sub"])
