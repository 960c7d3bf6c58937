"""The messages that the pages quote in tables are those of the code."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import click
import numpy as np
import pytest

from pytriton_plugins import Tensor, hookimpl, infer_func
from pytriton_plugins.cli.commands import COMMANDS
from pytriton_plugins.cli.plugin_commands import added_commands
from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.config.overrides import configured
from pytriton_plugins.errors import ConfigError, HookError
from pytriton_plugins.models import declaration_of
from pytriton_plugins.testing import hook_manager
from pytriton_plugins.values import Ports
from tests.support.docs.blocks import DOCS


def quoted(name: str, first: str) -> str:
    """The first code of the last cell, in the row of a table whose first cell begins with ``first``."""
    (row,) = [line for line in (DOCS / name).read_text().splitlines() if line.startswith(f"| {first}")]
    return row.strip("| ").split(" | ")[-1].split("`")[1]


def plugin(**members: object) -> ModuleType:
    module = ModuleType("acme")
    vars(module).update(members)
    return module


def pytriton_check_readiness() -> None: ...


@hookimpl
def pytriton_choose_port() -> None: ...


@hookimpl
def pytriton_choose_ports(atempt: int) -> None: ...


class Guard: ...


@hookimpl(specname="pytriton_choose_ports")
def three_numbers() -> tuple[int, int, int]:
    return 1, 2, 3


@hookimpl
def pytriton_add_commands() -> list[click.Command]:
    return [click.Command("serve")]


def wrong_answer() -> None:
    hook_manager(plugin(pytriton_choose_ports=three_numbers)).choose_ports(Ports(1, 2, 3))


def command_in_use() -> None:
    _, broken = added_commands(hook_manager(plugin(pytriton_add_commands=pytriton_add_commands)), COMMANDS)
    raise HookError(*broken.values())


@pytest.mark.parametrize(
    ("problem", "work"),
    [
        ("no `@hookimpl`", lambda: hook_manager(plugin(pytriton_check_readiness=pytriton_check_readiness))),
        ("a wrong name", lambda: hook_manager(plugin(pytriton_choose_port=pytriton_choose_port))),
        ("a wrong parameter", lambda: hook_manager(plugin(pytriton_choose_ports=pytriton_choose_ports))),
        ("a class", lambda: hook_manager(Guard)),
        ("a wrong answer", wrong_answer),
        ("commands", command_in_use),
    ],
)
def test_mistakes_of_hook_plugins(problem: str, work: Callable[[], object]) -> None:
    with pytest.raises(HookError) as raised:
        work()
    assert quoted("how-to/write-a-hook-plugin.md", problem) in str(raised.value)


def test_a_key_that_triton_does_not_know() -> None:
    @infer_func(
        name="acme",
        inputs=[Tensor("x", np.float32, (-1,))],
        outputs=[Tensor("y", np.float32, (-1,))],
        triton_config={"dynamic_batching": {"max_queue_delay": 1}},
    )
    def acme(x: object) -> object:
        return x

    declaration = declaration_of(acme)
    assert declaration is not None
    with pytest.raises(ConfigError) as raised:
        configured(HostConfig(), declaration)
    assert str(raised.value) == quoted("reference/model-configuration.md", "an unknown key")
