"""The effective configuration of one model, from the configuration and hook plugins."""

from __future__ import annotations

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.config.resolver import EffectiveModel, ModelResolver
from pytriton_plugins.config.tables import ModelSettings, Tables
from pytriton_plugins.hooks import hookimpl
from pytriton_plugins.hooks.manager import BUILT_IN, HookManager
from pytriton_plugins.model.declaration import ModelDeclaration
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
        policy_source=BUILT_IN,
        fixed=frozenset(),
        settings={},
        headers={},
        clients_lend=False,
        import_timeout=60.0,
        load_timeout=60.0,
    )


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
        policy_source="growing",
        fixed=frozenset({"growth"}),
        settings={"depth": 50},
        headers={"a-secret-of-16-letters-x-user": "x-user"},
        clients_lend=True,
        import_timeout=7.0,
        load_timeout=8.0,
    )
