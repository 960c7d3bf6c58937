"""From a module to the callables marked in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.discovery.resolve import resolve
from pytriton_plugins.errors import DiscoveryError

MODEL = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

@infer_func(inputs=[Tensor("a", np.float32, (-1,))], outputs=[Tensor("b", np.float32, (-1,))])
def second(a):
    return a

@infer_func(inputs=[Tensor("a", np.float32, (-1,))], outputs=[Tensor("b", np.float32, (-1,))], name="one")
def first(a):
    return a

alias = first
number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "acme_model.py").write_text(MODEL)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("acme_")]:
        del sys.modules[name]


def names(reference: str) -> list[str]:
    return [declaration.name for _, declaration in resolve(reference)]


def test_a_module_gives_what_it_defines_once_in_order(folder: Path) -> None:
    assert names("acme_model") == ["second", "one"]
    assert names(str(folder / "acme_model.py")) == ["second", "one"]


def test_an_attribute_gives_exactly_that_one(folder: Path) -> None:
    (folder / "acme_again.py").write_text("from acme_model import first\n")
    assert names("acme_model:alias") == ["one"]
    assert names("acme_again:first") == ["one"]


def test_only_re_exported_says_where_from(folder: Path) -> None:
    (folder / "acme_again.py").write_text("from acme_model import first\n")
    with pytest.raises(DiscoveryError, match="first is re-exported from acme_model; write acme_model, or"):
        resolve("acme_again")


def test_nothing_marked(folder: Path) -> None:
    (folder / "acme_plain.py").write_text("def f(): ...\n")
    with pytest.raises(DiscoveryError, match="acme_plain defines no callable marked with @infer_func"):
        resolve("acme_plain")
    with pytest.raises(DiscoveryError, match="acme_plain:f is not marked; write @infer_func above it"):
        resolve("acme_plain:f")
    with pytest.raises(DiscoveryError, match="acme_model:np is a module"):
        resolve("acme_model:np")


def test_one_name_and_version_twice_is_a_conflict_that_names_both(folder: Path) -> None:
    (folder / "acme_twice.py").write_text(MODEL.replace('name="one"', 'name="second"'))
    with pytest.raises(DiscoveryError, match="second and first are both model 'second' version 1; give"):
        resolve("acme_twice")
