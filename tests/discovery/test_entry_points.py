"""Plugins from real metadata folders: order, duplicates, and folders that are broken; nothing is imported."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from pytriton_plugins.discovery.entry_points import HOOKS_GROUP, MODELS_GROUP, find_hooks, find_models
from pytriton_plugins.discovery.references import HookReference, ModelReference
from tests.support.sandbox.fake_distributions import install


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def test_models_are_sorted_by_plugin_then_distribution_and_not_imported(site: Path) -> None:
    install(site, "zeta", {MODELS_GROUP: {"b": "zeta_mod", "c": "zeta_mod:one"}}, zeta_mod="raise SystemExit")
    install(site, "Acme.Models", {MODELS_GROUP: {"b": "acme_mod [gpu]"}}, version="2.0")
    assert find_models() == [
        ModelReference("b", "acme_mod", "Acme.Models", "2.0"),
        ModelReference("b", "zeta_mod", "zeta", "1.0"),
        ModelReference("c", "zeta_mod:one", "zeta", "1.0"),
    ]
    assert "zeta_mod" not in sys.modules


def test_hooks_have_a_group_of_their_own(site: Path) -> None:
    install(site, "acme", {MODELS_GROUP: {"m": "acme_m"}, HOOKS_GROUP: {"guard": "acme_h:plugin"}})
    assert find_hooks() == [HookReference("guard", "acme_h:plugin", "acme", "1.0")]
    assert find_hooks()[0].label == "guard (acme 1.0)"


def test_of_one_name_the_first_on_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "new", "acme", {MODELS_GROUP: {"m": "acme_new"}}, version="2.0")
    install(tmp_path / "old", "acme", {MODELS_GROUP: {"gone": "acme_old"}}, version="1.0")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "new"), str(tmp_path / "old")])
    assert find_models() == [ModelReference("m", "acme_new", "acme", "2.0")]


def test_a_distribution_without_metadata_hides_nothing_but_itself(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    install(site, "good", {MODELS_GROUP: {"m": "good_mod"}})
    install(site, "bad", {MODELS_GROUP: {"x": "bad_mod"}})
    (site / "bad-1.0.dist-info" / "METADATA").unlink()
    with caplog.at_level(logging.WARNING, "pytriton.discovery"):
        assert [reference.plugin for reference in find_models()] == ["m"]
    assert "cannot be read" in caplog.text


def test_unreadable_entry_points_hide_nothing_but_themselves(site: Path) -> None:
    install(site, "good", {MODELS_GROUP: {"m": "good_mod"}})
    install(site, "bad", {MODELS_GROUP: {"x": "bad_mod"}})
    (site / "bad-1.0.dist-info" / "entry_points.txt").write_text(f"[{MODELS_GROUP}]\nno equals sign\n")
    assert "m" in [reference.plugin for reference in find_models()]


def test_control_characters_in_metadata_are_escaped(site: Path) -> None:
    install(site, "acme", {MODELS_GROUP: {"red\x1b[31m": "acme_mod"}})
    assert find_models()[0].plugin == r"red\x1b[31m"


def test_nothing_installed(site: Path) -> None:
    assert find_models() == []
