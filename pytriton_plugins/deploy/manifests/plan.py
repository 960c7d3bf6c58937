"""The plan of a deployment: the effective configuration and the installed models, as numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from pytriton_plugins.config.file import FILE_NAME, raw_table
from pytriton_plugins.config.host_config import END_SECONDS, KUBELET_SECONDS, HostConfig
from pytriton_plugins.config.overrides import worker_count
from pytriton_plugins.config.readers import MIB
from pytriton_plugins.config.settings import SECRETS, SETTINGS
from pytriton_plugins.deploy.common import LOCAL_PATHS, interpreter_warnings
from pytriton_plugins.deploy.manifests.yaml_text import EXTRA
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion
from pytriton_plugins.values import Ports

WORKER_MEMORY = 512 * MIB
"""The default memory of a worker; the size of a model's weights is unknown before it runs."""

SHM_TOTAL = 1024 * MIB
"""The default shared memory of all models together, unless they start with more."""

GRACE_PERIOD = 45
"""The default grace period of a pod in seconds, unless the stop may take longer."""

_BY_THE_MANIFESTS = frozenset(
    {"address", "http_port", "grpc_port", "metrics_port", "drain_delay", "drain_timeout", "grace_period", "shm_total"}
)
"""Settings whose variables every pod has."""

_NOT_IN_AN_IMAGE = (*LOCAL_PATHS, "reload")


@attrs.frozen
class PlannedModel:
    """One model of a replica, with the memory of each of its workers."""

    name: str
    workers: int
    memory: int


@attrs.frozen
class DeploymentPlan:
    """The facts behind the manifests; sizes in bytes, times in seconds."""

    image: str
    ports: Ports
    models: tuple[PlannedModel, ...]
    shm_total: int
    shm_initial: int
    client_shm: bool
    drain_delay: float
    drain_timeout: float
    grace_period: int
    startup: int
    config_text: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    """Settings of options and variables, which the file in the image does not have."""
    warnings: tuple[str, ...] = ()
    """Warnings for the operator, about settings that are local paths or secrets."""
    call: tuple[str, ...] = ()
    """The arguments of ``pytriton-host infer`` for one request, without the address."""

    @property
    def workers(self) -> int:
        return sum(model.workers for model in self.models)


def make_plan(
    config: HostConfig,
    ports: Ports,
    declared: Sequence[ModelDeclaration],
    image: str,
    memory: Mapping[str, int],
    shm_initial: int,
    call: Sequence[str] = (),
) -> DeploymentPlan:
    """The plan for ``declared`` models; ``memory``: bytes of each worker by model, those of all others for ``""``.

    ``shm_initial``: bytes of the shared memory of all models at the start.
    """
    delay = config.drain_delay
    needed = sum(map(math.ceil, (delay, config.drain_timeout, END_SECONDS, KUBELET_SECONDS)))
    return DeploymentPlan(
        image,
        _fixed(ports),
        _models(config, declared, memory),
        config.shm_total or max(SHM_TOTAL, shm_initial),
        shm_initial,
        "shared-memory" in config.allow,
        delay,
        config.drain_timeout,
        math.ceil(config.grace_period) if config.grace_period is not None else max(GRACE_PERIOD, needed),
        config.startup_seconds,
        _config_text(config.tables.path),
        (*_variables(config),),
        (*_warnings(config),),
        tuple(call),
    )


def _config_text(file: Path | None) -> str:
    """The text of pytriton-host.toml, or the table of a pyproject.toml in its form."""
    if file is None:
        return ""
    if file.name == FILE_NAME:
        return file.read_text(encoding="utf-8")
    table = raw_table(file)
    if not table:
        return ""
    try:
        import tomli_w
    except ImportError:
        raise ConfigError(f"{file}: {EXTRA}") from None
    return tomli_w.dumps(table)


def _fixed(ports: Ports) -> Ports:
    """The ports, with a fixed number for each that may be any free one, for the Service needs it."""
    chosen: list[int] = []
    for port, default in zip((ports.http, ports.grpc, ports.metrics), (8000, 8001, 8002), strict=True):
        taken = {*chosen, ports.http, ports.grpc, ports.metrics}
        chosen.append(port or next(number for number in itertools.count(default) if number not in taken))
    return Ports(*chosen)


def _warnings(config: HostConfig) -> Iterable[str]:
    for name in _NOT_IN_AN_IMAGE:
        source = config.sources.get(name, "")
        if source.startswith(f"{config.tables.path}: "):
            yield f"{source} is local to this machine; the image may not have it"
        elif source:
            yield f"{source} is local to this machine; it is left out, and the image's own is used"
    for setting in SETTINGS:
        source = config.sources.get(setting.name, "") if setting.name in SECRETS else ""
        if source:
            in_file = source.startswith(f"{config.tables.path}: ")
            how = "and this file becomes a ConfigMap" if in_file else "so it is left out"
            yield f"{source} is a secret, {how}; set {setting.variable} from a Secret"
    yield from interpreter_warnings(config.tables.path, config.tables.environments)


def _models(
    config: HostConfig, declared: Iterable[ModelDeclaration], memory: Mapping[str, int]
) -> tuple[PlannedModel, ...]:
    """The models by name; workers of all versions of a model are added up."""
    workers: dict[str, int] = {}
    for model in declared:
        workers[model.name] = workers.get(model.name, 0) + worker_count(config, model)
    for name in memory:
        if name and name not in workers:
            raise ConfigError(
                f"--model-memory: unknown model {one_line(name)}{suggestion(name, workers)}; "
                f"known models: {', '.join(workers) or 'none'}"
            )
    return tuple(PlannedModel(name, n, memory.get(name, memory.get("", WORKER_MEMORY))) for name, n in workers.items())


def _variables(config: HostConfig) -> Iterable[tuple[str, str]]:
    for setting in SETTINGS:
        source = config.sources.get(setting.name, "")
        in_file = source.startswith(f"{config.tables.path}: ")
        if source and not in_file and setting.name not in (*_BY_THE_MANIFESTS, *_NOT_IN_AN_IMAGE, *SECRETS):
            yield setting.variable, _text(getattr(config, setting.name))


def _text(value: object) -> str:
    """A setting in the form of its variable."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join("=".join(item) if isinstance(item, tuple) else str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
