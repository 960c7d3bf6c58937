"""`list` from real metadata, without an import of a plugin."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pytriton_plugins.discovery.entry_points import HOOKS_GROUP, MODELS_GROUP
from tests.cli.conftest import Called
from tests.support.sandbox.fake_distributions import install


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    groups = {MODELS_GROUP: {"resnet": "acme_resnet"}, HOOKS_GROUP: {"guard": "acme_hooks:plugin"}}
    install(folder, "acme-models", groups, version="1.2", acme_resnet="raise SystemExit", acme_hooks="raise SystemExit")
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.mark.usefixtures("site")
def test_the_table(called: Called) -> None:
    ran = called("list")
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["plugin", "provides", "reference", "distribution", "version"] in lines
    assert ["resnet", "models", "acme_resnet", "acme-models", "1.2"] in lines
    assert ["guard", "hooks", "acme_hooks:plugin", "acme-models", "1.2"] in lines
    assert "acme_resnet" not in sys.modules


@pytest.mark.usefixtures("site")
def test_json(called: Called) -> None:
    document = json.loads(called("list", "--json").out)
    entry = {"plugin": "resnet", "reference": "acme_resnet", "distribution": "acme-models", "version": "1.2"}
    assert document["schema"] == 1
    assert entry in document["models"]
    assert [hook["plugin"] for hook in document["hooks"] if hook["distribution"] == "acme-models"] == ["guard"]


def test_nothing_installed_says_what_to_do(called: Called, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called("list")  # Everything that the command imports comes from a path that is hidden next.
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    ran = called("list")
    assert (ran.code, ran.err) == (0, "")
    assert "no model plugin is installed" in ran.out
    assert "pytriton-host serve model.py" in ran.out


@pytest.mark.parametrize(
    ("enabled", "declared"), [("true", [{"model": "add_sub", "version": 1, "calls": []}]), ("false", [])]
)
def test_a_model_that_is_not_enabled_is_not_shown(
    called: Called, tmp_path: Path, enabled: str, declared: object
) -> None:
    (tmp_path / "pytriton-host.toml").write_text(f'enable = ["add-sub"]\n[models.add_sub]\nenabled = {enabled}\n')
    ran = called("list", "--models", "--json")
    (mine,) = [item for item in json.loads(ran.out)["models"] if item["plugin"] == "add-sub"]
    assert (mine["declares"], mine["error"]) == (declared, "")
