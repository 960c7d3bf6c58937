"""What is to be deployed: effective configuration and installed models, as numbers; runs in the called process."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from pytriton_plugins.config.file import FILE_NAME, raw_table
from pytriton_plugins.config.host_config import END_SECONDS, KUBELET_SECONDS, HostConfig
from pytriton_plugins.config.overrides import worker_count
from pytriton_plugins.config.settings import MIB, SECRETS, SETTINGS
from pytriton_plugins.deploy.manifests.yaml_text import EXTRA
from pytriton_plugins.deploy.places import PLACES, interpreters, startup_seconds
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion
from pytriton_plugins.values import Ports

WORKER = 512 * MIB
"""Of each worker, unless the operator says what a model needs: its weights are known to nobody before it runs."""

SHM_TOTAL = 1024 * MIB
"""Of the shared memory of all models together, unless it is configured or they begin with more."""

GRACE_PERIOD = 45
"""Seconds of a pod's grace period, unless it is configured or the stop may take longer."""

_BY_THE_MANIFESTS = frozenset(
    {"address", "http_port", "grpc_port", "metrics_port", "drain_delay", "drain_timeout", "grace_period", "shm_total"}
)
"""Settings for which the pod has variables anyway."""

_NOT_IN_AN_IMAGE = (*PLACES, "reload")


@attrs.frozen
class PlannedModel:
    """One model in every replica, and how much memory each of its workers is given."""

    name: str
    workers: int
    memory: int


@attrs.frozen
class Plan:
    """All that the manifests are made of; sizes in bytes, times in seconds."""

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
    """What options and variables set, which the file in the image does not."""
    doubts: tuple[str, ...] = ()
    """What the operator should know: settings that mean a place of the machine where they were made."""
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
) -> Plan:
    """The plan for ``declared`` models; ``memory``: bytes of each worker by model, those of all others for ``""``.

    ``shm_initial``: bytes of the shared memory that all models begin with.
    """
    delay = config.drain_delay
    needed = sum(map(math.ceil, (delay, config.drain_timeout, END_SECONDS, KUBELET_SECONDS)))
    return Plan(
        image,
        _fixed(ports),
        _models(config, declared, memory),
        config.shm_total or max(SHM_TOTAL, shm_initial),
        shm_initial,
        "shared-memory" in config.allow,
        delay,
        config.drain_timeout,
        math.ceil(config.grace_period) if config.grace_period is not None else max(GRACE_PERIOD, needed),
        startup_seconds(config),
        _config_text(config.tables.path),
        (*_variables(config),),
        (*_doubts(config),),
        tuple(call),
    )


def _config_text(file: Path | None) -> str:
    """pytriton-host.toml as it stands, or the table of a pyproject.toml as one."""
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
    """The ports, with a number for each that may be any free one: a Service has to know it."""
    chosen: list[int] = []
    for port, usual in zip((ports.http, ports.grpc, ports.metrics), (8000, 8001, 8002), strict=True):
        taken = {*chosen, ports.http, ports.grpc, ports.metrics}
        chosen.append(port or next(number for number in itertools.count(usual) if number not in taken))
    return Ports(*chosen)


def _doubts(config: HostConfig) -> Iterable[str]:
    for name in _NOT_IN_AN_IMAGE:
        source = config.sources.get(name, "")
        if source.startswith(f"{config.tables.path}: "):
            yield f"{source} means a place on this machine, which the image may not have"
        elif source:
            yield f"{source} means a place on this machine, so it is left out; the image has its own"
    for setting in SETTINGS:
        source = config.sources.get(setting.name, "") if setting.name in SECRETS else ""
        if source:
            in_file = source.startswith(f"{config.tables.path}: ")
            how = "and this file becomes a ConfigMap" if in_file else "so it is left out"
            yield f"{source} is a secret, {how}; set {setting.variable} from a Secret"
    yield from interpreters(config.tables)


def _models(
    config: HostConfig, declared: Iterable[ModelDeclaration], memory: Mapping[str, int]
) -> tuple[PlannedModel, ...]:
    """Versions of one model are workers of one name."""
    workers: dict[str, int] = {}
    for model in declared:
        workers[model.name] = workers.get(model.name, 0) + worker_count(config, model)
    for name in memory:
        if name and name not in workers:
            raise ConfigError(
                f"--model-memory {one_line(name)}: there is no such model{suggestion(name, workers)}; "
                f"there are {', '.join(workers) or 'none'}"
            )
    return tuple(PlannedModel(name, n, memory.get(name, memory.get("", WORKER))) for name, n in workers.items())


def _variables(config: HostConfig) -> Iterable[tuple[str, str]]:
    for setting in SETTINGS:
        source = config.sources.get(setting.name, "")
        in_file = source.startswith(f"{config.tables.path}: ")
        if source and not in_file and setting.name not in (*_BY_THE_MANIFESTS, *_NOT_IN_AN_IMAGE, *SECRETS):
            yield setting.variable, _text(getattr(config, setting.name))


def _text(value: object) -> str:
    """A setting as its variable has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join("=".join(item) if isinstance(item, tuple) else str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
