"""What `check`, `list`, `config` and `manifests` say of models that declare what they call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Called
from tests.support.sandbox.fake_distributions import install, path_with

MODULE = """
import numpy as np
from pytriton_plugins import Context, Tensor, infer_func

@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())], calls={first})
def classify(x, ctx: Context):
    return x

@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())], calls={second})
def resnet(x, ctx: Context):
    return x
"""
OTHERS = """
@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())], name="top", calls=["left"])
def third(x, ctx: Context):
    return x

@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())], name="left", calls=[("top", 1)])
def fourth(x, ctx: Context):
    return x

@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())], name="fine", calls=["resnet"])
def fifth(x, ctx: Context):
    return x
"""
CYCLE = "the declared calls form a cycle: left → top → left; remove one of them from calls=[…]"


def test_check(called: Called, tmp_path: Path) -> None:
    first, second = ["resnt", ("resnet", 2)], ["shut"]
    (tmp_path / "model.py").write_text(MODULE.format(first=first, second=second) + OTHERS)
    (tmp_path / "pytriton-host.toml").write_text("[models.shut]\nenabled = false\n")
    ran = called("check", "model.py", "--http-port=0", "--grpc-port=0", "--metrics-port=0")
    assert ran.code == 1
    assert [line for line in ran.out.splitlines() if " model " in line.split(":")[0]] == [
        "bad  model classify version 1: calls resnt, but there is no model of this name; did you mean resnet?; "
        "also: calls resnet version 2, but it has no version 2, only 1",
        "bad  model resnet version 1: calls shut, but it is disabled (enabled = false)",
        f"bad  model top version 1: {CYCLE}",
        f"bad  model left version 1: {CYCLE}",
        "ok   model fine version 1: calls resnet",
    ]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin whose models call each other's and one that is not installed."""
    folder = tmp_path / "site"
    source = MODULE.format(first=["resnet", ("labels", 2)], second=[])
    install(folder, "acme-vision", {"pytriton_plugins.models": {"vision": "acme_vision"}}, acme_vision=source)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", path_with(folder))
    (tmp_path / "pytriton-host.toml").write_text('plugins = ["vision"]\n')


@pytest.mark.usefixtures("installed")
def test_list(called: Called) -> None:
    assert "classify 1 (calls resnet, labels version 2), resnet 1" in called("list", "--models").out
    document = json.loads(called("list", "--models", "--json").out)
    (mine,) = [each["declares"] for each in document["models"] if each["plugin"] == "vision"]
    calls = [{"model": "resnet", "version": None}, {"model": "labels", "version": 2}]
    assert mine == [{"model": "classify", "version": 1, "calls": calls}, {"model": "resnet", "version": 1, "calls": []}]


@pytest.mark.usefixtures("installed")
def test_config(called: Called) -> None:
    lines = called("config", "--models").out.splitlines()
    (line,) = [line for line in lines if line.startswith("classify 1: calls")]
    assert line.split(maxsplit=3)[3] == "resnet, labels version 2  @infer_func"


@pytest.mark.usefixtures("installed")
def test_manifests_of_a_part_of_the_plugins(called: Called) -> None:
    ran = called("manifests", "--image=acme:1", "-o", "out")
    assert ran.code == 0
    warning = "calls labels version 2, but there is no model of this name; it is not served in the pods"
    assert f"warning: model classify version 1: {warning}" in ran.err
