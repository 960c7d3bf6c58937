"""What `pytriton-host manifests` is to deploy, of what is installed here; imports plugins in children of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytriton_plugins.cli.app import explain
from pytriton_plugins.cli.environment import inspected, loaded_hooks
from pytriton_plugins.config.readers import parse_size
from pytriton_plugins.errors import ConfigError, PytritonPluginsError
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.deploy.manifests.plan import Plan
    from pytriton_plugins.hooks.manager import HookManager
    from pytriton_plugins.model.declaration import ModelDeclaration


def planned(config: HostConfig, image: str, memory: Mapping[str, int]) -> Plan:
    """The plan for every installed model; ``memory``: bytes of each worker by model, ``""`` for all others.

    What is broken ends it, for the pods would not become ready; what may be broken there too is passed over.
    """
    from pytriton_plugins.config.overrides import is_required
    from pytriton_plugins.deploy.manifests.plan import make_plan
    from pytriton_plugins.host.memory.allocator import ledger_of
    from pytriton_plugins.host.sample_requests import example_call
    from pytriton_plugins.host.system.ports import wanted_ports

    hooks = _hooks(config)
    models = _models(config, hooks)
    shm_initial = sum(ledger_of(config, hooks, model).at_start for model in models)
    # One that must be there is a better test than one that may be away.
    ordered = sorted(models, key=lambda model: not is_required(config, model.name))
    call = next(filter(None, map(example_call, ordered)), [])
    drained = _with_drain(config, hooks)
    ports, _ = wanted_ports(config, hooks)
    return make_plan(drained, ports, models, image, memory, shm_initial, call)


def sizes(texts: Iterable[str]) -> dict[str, int]:
    """``--model-memory`` by model; ``""`` is that of all others."""
    found = {}
    for text in texts:
        name, _, size = text.rpartition("=")
        try:
            found[name] = parse_size(size)
        except ValueError as error:
            raise ConfigError(f"--model-memory {one_line(text)}: {error}") from None
    return found


def _hooks(config: HostConfig) -> HookManager:
    broken: dict[str, str] = {}
    hooks = loaded_hooks(config, broken)
    for error in broken.values():
        if not config.skip_broken_hooks:
            raise ConfigError(error)
        explain(f"warning: {error}")
    return hooks


def _models(config: HostConfig, hooks: HookManager) -> Sequence[ModelDeclaration]:
    models: list[ModelDeclaration] = []
    for each in inspected(config, hooks):
        if each.error and not each.reference.names & set(config.optional):
            raise PytritonPluginsError(f"plugin {each.reference.label}: {each.error}")
        if each.error:
            explain(f"warning: plugin {each.reference.label} is optional, and its models are not counted: {each.error}")
        models += each.models
    if not models:
        raise PytritonPluginsError("there is nothing to serve; install the model plugins that the image has")
    return models


def _with_drain(config: HostConfig, hooks: HookManager) -> HostConfig:
    """As hook plugins choose it in a cluster; what is configured stays as it is."""
    import attrs

    from pytriton_plugins.config.host_config import DRAIN_TIMEOUT, KUBERNETES_DRAIN_DELAY
    from pytriton_plugins.host.preflight import chosen_drain

    # The objects name a grace period, so the one that Kubernetes would have given means nothing.
    defaults: dict[str, Any] = {"drain_delay": KUBERNETES_DRAIN_DELAY, "drain_timeout": DRAIN_TIMEOUT}
    config = attrs.evolve(config, **{name: value for name, value in defaults.items() if name not in config.fixed})
    if config.grace_period is not None:
        config = config.with_default_drain()
    return attrs.evolve(config, **chosen_drain(config, hooks)[0])
