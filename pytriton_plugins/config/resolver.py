"""Resolves a model: the configuration overrides the choices of hook plugins, and both override its declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from pytriton_plugins.config.overrides import configured, is_required, worker_count
from pytriton_plugins.errors import HookError
from pytriton_plugins.hooks.calling import Answer
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.values import ShmPolicy

if TYPE_CHECKING:
    from pytriton_plugins.config.host_config import HostConfig

_POLICY_FIELDS = tuple(field.name for field in attrs.fields(ShmPolicy))
"""The configuration can set each of them."""


@attrs.frozen
class EffectiveModel:
    """All that the configuration, hook plugins and the author decide about one model; times are seconds.

    ``fixed`` names the fields of the policy that the configuration sets: hook plugins may neither raise that limit nor
    decide what those fields decide. ``headers`` are the parameters of requests that are headers, with the headers'
    names.
    """

    declaration: ModelDeclaration
    workers: int
    required: bool
    policy: ShmPolicy
    fixed: frozenset[str]
    settings: Mapping[str, Any]
    headers: Mapping[str, str]
    clients_lend: bool
    """Clients may lend their shared memory, as far as the policy lets them."""
    import_timeout: float
    load_timeout: float
    drain_timeout: float = 30.0
    """For the live sequences of a worker that is replaced."""

    @property
    def name(self) -> str:
        return self.declaration.name

    @property
    def channels(self) -> int:
        """One for each slot of each worker: as many batches can run at a time."""
        return self.workers * self.declaration.slots

    def order(self) -> dict[str, Any]:
        """The content of a worker's message ``serve`` (docs/reference/protocol.md), without ``hooks``."""
        declaration = self.declaration
        return {
            "model": declaration.name,
            "version": declaration.version,
            "settings": self.settings,
            "headers": self.headers,
            "max_idle": declaration.sequence.max_idle if declaration.sequence else None,
            "warmup": declaration.triton_config.get("model_warmup", []),
        }


class PolicyHooks(Protocol):
    """The hook plugins, as far as they choose what a model gets."""

    def choose_shm_policy(self, model: ModelDeclaration, default: ShmPolicy) -> Answer[ShmPolicy]: ...


class ModelResolver:
    """Resolves models under one configuration and its hook plugins."""

    def __init__(self, config: HostConfig, hooks: PolicyHooks) -> None:
        self._config = config
        self._hooks = hooks

    @property
    def import_timeout(self) -> float:
        """Seconds for the import of a plugin, before its models are known."""
        return self._config.import_timeout

    def configured(self, declared: ModelDeclaration) -> ModelDeclaration:
        """The declaration with the changes of the configuration file; raises ConfigError."""
        return configured(self._config, declared)

    def enabled(self, declared: Sequence[ModelDeclaration]) -> list[ModelDeclaration]:
        """The configured declarations of the models that are enabled; raises ConfigError."""
        return [self.configured(each) for each in declared if self._config.model(each.name).enabled]

    def resolve(self, declaration: ModelDeclaration) -> EffectiveModel:
        """The model of a configured declaration; raises HookError, from the hook plugin that chooses its policy."""
        config, name = self._config, declaration.name
        fixed = fixed_fields(config, name)
        return EffectiveModel(
            declaration,
            worker_count(config, declaration),
            is_required(config, name),
            _policy(config, self._hooks, declaration, fixed).value,
            fixed,
            config.model(name).settings,
            config.proven_headers,
            "shared-memory" in config.allow,
            config.import_timeout,
            config.load_timeout,
            config.drain_timeout,
        )


def fixed_fields(config: HostConfig, model: str) -> frozenset[str]:
    """The fields of the model's policy that options, variables or the file set."""
    own = config.model(model)
    fixed = config.fixed
    return frozenset(
        name for name in _POLICY_FIELDS if getattr(own, f"shm_{name}") is not None or f"shm_{name}" in fixed
    )


def default_policy(config: HostConfig, model: ModelDeclaration) -> ShmPolicy:
    """The model's policy by the configuration alone; hook plugins get it as the default."""
    own = config.model(model.name)
    values = {name: getattr(own, f"shm_{name}") for name in _POLICY_FIELDS}
    return ShmPolicy(**{name: getattr(config, f"shm_{name}") if own is None else own for name, own in values.items()})


def policy_of(config: HostConfig, hooks: PolicyHooks, model: ModelDeclaration) -> Answer[ShmPolicy]:
    """The model's policy and the plugin that chose it; what the configuration sets overrides the choice.

    Raises HookError when the two contradict each other.
    """
    return _policy(config, hooks, model, fixed_fields(config, model.name))


def _policy(
    config: HostConfig, hooks: PolicyHooks, model: ModelDeclaration, fixed: frozenset[str]
) -> Answer[ShmPolicy]:
    default = default_policy(config, model)
    chosen = hooks.choose_shm_policy(model, default)
    try:
        return Answer(attrs.evolve(chosen.value, **{name: getattr(default, name) for name in fixed}), chosen.plugin)
    except ValueError as error:
        raise HookError(
            f"hook plugin {chosen.plugin}: its policy for model {model.name} does not go with what the configuration "
            f"sets ({error}); change either"
        ) from None
