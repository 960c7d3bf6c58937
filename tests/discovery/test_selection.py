"""The switches that choose among the plugins that were found, and the references of targets."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from pytriton_plugins.discovery.conflicts import plugin_conflicts
from pytriton_plugins.discovery.entry_points import MODELS_GROUP
from pytriton_plugins.discovery.references import HookReference, ModelReference
from pytriton_plugins.discovery.selection import (
    check_requirements,
    references_of,
    select_hooks,
    select_models,
    warn_of_unknown,
)
from pytriton_plugins.errors import ConfigError, DiscoveryError, HookError
from tests.support.sandbox.fake_distributions import install

RESNET = ModelReference("resnet", "acme.resnet", "Acme_Models", "1.0")
BERT = ModelReference("bert", "acme.bert", "Acme_Models", "1.0")
OTHER = ModelReference("resnet", "other.resnet", "other", "2.0")
FOUND = [RESNET, BERT, OTHER]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], FOUND),
        (["bert"], [BERT]),
        (["acme-models"], [RESNET, BERT]),
        (["Acme.Models"], [RESNET, BERT]),
        (["other/resnet"], [OTHER]),
        (["bert", "other"], [BERT, OTHER]),
    ],
)
def test_names_of_plugins_and_distributions(wanted: list[str], expected: list[ModelReference]) -> None:
    assert select_models(FOUND, wanted) == expected
    assert select_models(FOUND, (), wanted) == ([each for each in FOUND if each not in expected] if wanted else FOUND)


def test_an_unknown_name_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="no model plugin named resnt; did you mean resnet"):
        select_models(FOUND, ["resnt"])


def test_disabling_what_is_not_there_is_told(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("pytriton").propagate = True
    with caplog.at_level(logging.WARNING, "pytriton.discovery"):
        warn_of_unknown(["bret", "resnet"], FOUND)
    assert [record.message for record in caplog.records] == ["disable: no plugin named bret; did you mean bert?"]


def test_two_plugins_of_one_name_are_both_named() -> None:
    problems = plugin_conflicts(FOUND)
    assert set(problems) == {RESNET.label, OTHER.label}
    text = problems[RESNET.label]
    assert "'resnet' comes from Acme_Models 1.0 (acme.resnet) and other 2.0 (other.resnet)" in text
    assert "--no-plugin other" in text
    assert problems[OTHER.label] == f"its name is also that of {RESNET.label}; see the error there"
    assert plugin_conflicts(select_models(FOUND, (), ["other"])) == {}


def test_two_hook_plugins_of_one_name_stop_the_start() -> None:
    first, second = (HookReference("guard", f"{name}.hooks", name, "1.0") for name in ("one", "two"))
    with pytest.raises(HookError, match=r"'guard' comes from one 1\.0 .* and two 1\.0"):
        select_hooks([first, second])
    assert select_hooks([first, second], ["two"]) == [first]


def test_requirements_that_are_met() -> None:
    check_requirements(["pytriton-plugins", "numpy>=1.20"])


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("acme-nowhere>=1.2", "require acme-nowhere>=1.2: it is not installed; run: pip install"),
        ("numpy>=999", "require numpy>=999: numpy .* is installed; run: pip install 'numpy>=999'"),
    ],
)
def test_requirements_that_are_not(requirement: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_requirements([requirement])


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
