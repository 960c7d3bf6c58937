"""The deployment plan of `pytriton-host manifests`, from what is installed here; imports plugins in child processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytriton_plugins.cli.environment import inspected, loaded_hooks
from pytriton_plugins.cli.output.messages import explain
from pytriton_plugins.config.readers import parse_size
from pytriton_plugins.errors import ConfigError, PytritonPluginsError
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.deploy.manifests.plan import DeploymentPlan
    from pytriton_plugins.hooks.manager import HookManager
    from pytriton_plugins.host.repositories.found import FoundRepository
    from pytriton_plugins.model.declaration import ModelDeclaration


def planned(config: HostConfig, image: str, memory: Mapping[str, int]) -> DeploymentPlan:
    """The plan for every installed model; ``memory``: bytes of each worker by model, ``""`` for all others.

    A broken required plugin is an error, for the pods would not become ready; a broken optional one is left out.
    """
    from pytriton_plugins.config.resolver import ModelResolver
    from pytriton_plugins.deploy.manifests.plan import make_plan
    from pytriton_plugins.host.config_parts import port_settings
    from pytriton_plugins.host.memory.ledger import ledger_of
    from pytriton_plugins.host.sample_requests import example_call
    from pytriton_plugins.host.system.ports import wanted_ports

    hooks = _hooks(config)
    models = _models(config, hooks)
    resolver = ModelResolver(config, hooks)
    effective = [resolver.resolve(model) for model in models]
    shm_initial = sum(ledger_of(model).at_start for model in effective)
    # A required model is a better test than an optional one.
    ordered = sorted(effective, key=lambda model: not model.required)
    call = next(filter(None, (example_call(model.declaration) for model in ordered)), [])
    drained = _with_drain(config, hooks)
    ports, _ = wanted_ports(port_settings(config), hooks)
    return make_plan(drained, ports, models, image, memory, shm_initial, call)


def sizes(texts: Iterable[str]) -> dict[str, int]:
    """The sizes of ``--model-memory`` by model; ``""`` for all others."""
    sizes = {}
    for text in texts:
        name, _, size = text.rpartition("=")
        try:
            sizes[name] = parse_size(size)
        except ValueError as error:
            raise ConfigError(f"--model-memory {one_line(text)}: {error}") from None
    return sizes


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
    plugins, repositories = inspected(config, hooks)
    for problem, required in _broken_repositories(repositories):
        if required:
            raise PytritonPluginsError(problem)
        explain(f"warning: {problem}; it is optional, and left out")
    for each in plugins:
        if each.error and not each.reference.names & set(config.optional):
            raise PytritonPluginsError(f"plugin {each.reference.label}: {each.error}")
        if each.error:
            explain(f"warning: plugin {each.reference.label}: it is optional, its models are left out: {each.error}")
        models += each.models
    for line in _call_warnings(config, models, repositories):
        explain(f"warning: {line}")
    if not models and not any(repository.models for repository in repositories):
        raise PytritonPluginsError("no model plugin is installed; install the model plugins of the image")
    return models


def _broken_repositories(repositories: Sequence[FoundRepository]) -> Iterator[tuple[str, bool]]:
    """A line for each repository and each model that cannot be served, and whether it is required."""
    for each in repositories:
        if each.error:
            yield f"repository {each.reference.label}: {each.error}", each.required
        for model in each.models:
            if model.error:
                yield f"model {model.name} of repository {each.reference.label}: {model.error}", model.required


def _call_warnings(
    config: HostConfig, models: Sequence[ModelDeclaration], repositories: Sequence[FoundRepository]
) -> Iterable[str]:
    """A line for each problem of the calls of these models, which the pods would have."""
    from pytriton_plugins.model.call_graph import call_problems

    others = [node for each in repositories for model in each.models if not model.error for node in model.nodes()]
    for model in models:
        for problem in call_problems(model, [*models, *others], lambda name: config.model(name).enabled):
            yield f"model {model.name} version {model.version}: {problem}; it is not served in the pods"


def _with_drain(config: HostConfig, hooks: HookManager) -> HostConfig:
    """The configuration with the drain that hook plugins choose in a cluster; configured values stay."""
    import attrs

    from pytriton_plugins.config.host_config import KUBERNETES_DRAIN_DELAY, HostConfig
    from pytriton_plugins.host.preflight import chosen_drain

    # The objects set a grace period, so Kubernetes' default does not count.
    defaults: dict[str, Any] = {"drain_delay": KUBERNETES_DRAIN_DELAY, "drain_timeout": HostConfig().drain_timeout}
    config = attrs.evolve(config, **{name: value for name, value in defaults.items() if name not in config.fixed})
    if config.grace_period is not None:
        config = config.with_default_drain()
    return attrs.evolve(config, **chosen_drain(config, hooks)[0])
