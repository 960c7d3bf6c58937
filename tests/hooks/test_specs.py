"""Every hook has a typed method, a verb that names its rule, and a docstring that begins with when it is called."""

from __future__ import annotations

import inspect

import pytest

from pytriton_plugins.hooks import specs
from pytriton_plugins.hooks.manager import HookManager

HOOKS = sorted(name for name in vars(specs) if name.startswith("pytriton_"))


def test_the_catalogue_of_hooks() -> None:
    assert (
        sorted(
            f"pytriton_{name}"
            for name in (
                *("add_commands", "add_models"),
                *("choose_drain", "choose_ports", "choose_readiness", "choose_restart"),
                *("choose_server", "choose_shm_full_action", "choose_shm_policy"),
                *("check_liveness", "check_model_readiness", "check_readiness"),
                *("edit_model_config", "edit_server_options", "edit_worker_env"),
                *("on_host_drain", "on_host_ready", "on_host_start", "on_host_stop"),
                *("on_request", "on_response"),
                *("on_worker_exit", "on_worker_ready", "on_worker_setup", "on_worker_start"),
            )
        )
        == HOOKS
    )


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_has_a_method_with_the_same_parameters(name: str) -> None:
    hook = list(inspect.signature(getattr(specs, name)).parameters)
    method = list(inspect.signature(getattr(HookManager, name.removeprefix("pytriton_"))).parameters)
    assert hook[-1] == "settings"
    assert method == ["self", *hook[:-1]]


@pytest.mark.parametrize("name", HOOKS)
def test_each_docstring_begins_with_when_it_is_called_and_names_each_parameter(name: str) -> None:
    function = getattr(specs, name)
    text = inspect.getdoc(function) or ""
    assert text.split()[0].rstrip(",") in ("Before", "Once", "Every", "After", "Each", "For", "When")
    parameters = [parameter for parameter in inspect.signature(function).parameters if parameter != "settings"]
    assert all(f":param {parameter}:" in text for parameter in parameters)
    assert (":return:" in text) == (not name.startswith("pytriton_on_"))
