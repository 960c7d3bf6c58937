"""The effective configuration of one model, from the configuration and hook plugins."""

from __future__ import annotations

import dataclasses

import pytest

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.config.resolver import EffectiveModel, ModelResolver, policy_of
from pytriton_plugins.config.tables import ModelSettings, Tables
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.hooks import hookimpl
from pytriton_plugins.hooks.manager import BUILT_IN, HookManager
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.sequence import Sequence
from pytriton_plugins.values import ShmPolicy

MODEL = ModelDeclaration("resnet", 1, "class", "Resnet", (), (), workers=3)


class Growing:
    @hookimpl
    def pytriton_choose_shm_policy(self) -> ShmPolicy:
        return ShmPolicy(growth=4.0, lend=False)


def test_a_model_without_settings_is_served_as_declared() -> None:
    assert ModelResolver(HostConfig(), HookManager()).resolve(MODEL) == EffectiveModel(
        MODEL,
        workers=3,
        required=True,
        policy=ShmPolicy(),
        fixed=frozenset(),
        settings={},
        headers={},
        clients_lend=False,
        import_timeout=60.0,
        load_timeout=60.0,
    )
    assert policy_of(HostConfig(), HookManager(), MODEL).plugin == BUILT_IN


def test_the_configuration_overrides_the_limits_of_sequences() -> None:
    table = ModelSettings(sequence_max_idle=5.0, sequence_max_live=7)
    resolver = ModelResolver(HostConfig(tables=Tables({"resnet": table})), HookManager())
    declared = dataclasses.replace(MODEL, context="ctx", sequence=Sequence(strategy="direct"))
    effective = resolver.resolve(resolver.configured(declared))
    assert effective.declaration.sequence == Sequence(5.0, 7, "direct")
    assert effective.order()["max_idle"] == 5.0
    with pytest.raises(ConfigError, match=r"^\[models.resnet.sequence\]: the model has no sequences; remove"):
        resolver.configured(MODEL)


def test_the_configuration_overrides_hook_plugins_and_those_the_default() -> None:
    hooks = HookManager()
    hooks.register(Growing(), "growing")
    config = HostConfig(
        optional=("resnet",),
        workers=2,
        allow=("shared-memory",),
        forward_headers=("x-user",),
        forward_prefix="a-secret-of-16-letters-",
        import_timeout=7.0,
        load_timeout=8.0,
        tables=Tables({"resnet": ModelSettings(workers=5, shm_growth=3.0, settings={"depth": 50})}),
    )
    assert ModelResolver(config, hooks).resolve(MODEL) == EffectiveModel(
        MODEL,
        workers=5,
        required=False,
        policy=ShmPolicy(growth=3.0, lend=False),
        fixed=frozenset({"growth"}),
        settings={"depth": 50},
        headers={"a-secret-of-16-letters-x-user": "x-user"},
        clients_lend=True,
        import_timeout=7.0,
        load_timeout=8.0,
    )
    assert policy_of(config, hooks, MODEL).plugin == "growing"


def test_the_order_of_a_worker_has_the_model_its_settings_and_its_samples() -> None:
    """All of the message ``serve`` but the hook plugins, which are the same for every model."""
    samples = [{"name": "one"}]
    config = HostConfig(
        forward_headers=("x-user",),
        forward_prefix="a-secret-of-16-letters-",
        tables=Tables({"resnet": ModelSettings(settings={"depth": 50})}),
    )
    model = dataclasses.replace(MODEL, triton_config={"model_warmup": samples})
    order = ModelResolver(config, HookManager()).resolve(model).order()
    assert (order["model"], order["version"]) == ("resnet", 1)
    assert (order["settings"], order["warmup"]) == ({"depth": 50}, samples)
    assert order["headers"] == {"a-secret-of-16-letters-x-user": "x-user"}
    assert "hooks" not in order
