"""Every hook has a typed method, a verb that names its rule, and a docstring that begins with when it is called."""

from __future__ import annotations

import inspect

import pytest

from pytriton_plugins.hooks import specs
from pytriton_plugins.hooks.manager import HookManager

HOOKS = sorted(name for name in vars(specs) if name.startswith("pytriton_"))


def test_the_catalogue_of_hooks() -> None:
    assert HOOKS == [
        "pytriton_check_readiness",
        "pytriton_choose_ports",
        "pytriton_choose_server",
        "pytriton_choose_shm_policy",
    ]


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_has_a_method_with_the_same_parameters(name: str) -> None:
    hook = list(inspect.signature(getattr(specs, name)).parameters)
    method = list(inspect.signature(getattr(HookManager, name.removeprefix("pytriton_"))).parameters)
    assert method == ["self", *hook]


@pytest.mark.parametrize("name", HOOKS)
def test_each_docstring_begins_with_when_it_is_called_and_names_each_parameter(name: str) -> None:
    function = getattr(specs, name)
    text = inspect.getdoc(function) or ""
    assert text.split()[0] in ("Before", "Once", "Every", "After")
    assert all(f":param {parameter}:" in text for parameter in inspect.signature(function).parameters)
    assert ":return:" in text
