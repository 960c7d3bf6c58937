"""The daemon's settings from flags, variables, a TOML file and defaults, in that order; runs in the host process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import attrs

from pytriton_plugins.config.file import ConfigFile, read_config_file
from pytriton_plugins.config.problems import Problems
from pytriton_plugins.config.settings import MIB, PREFIX, SETTINGS, Setting
from pytriton_plugins.config.tables import ModelSettings, Tables
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion
from pytriton_plugins.values import Drain, OnFull, ShmPolicy

_POLICY = ShmPolicy()

OTHER_VARIABLES = frozenset({"PYTRITON_HOST_CONFIG", "PYTRITON_HOST_URL", "PYTRITON_HOST_PROTOCOL"})
"""Variables of options that are no settings of the daemon."""

# Kubernetes gives every container such variables for a Service that is called pytriton-host.
_KUBERNETES = re.compile(r"PYTRITON_HOST_(SERVICE_.*|PORT|PORT_\d+_.*)")

END_SECONDS = 3.0
"""What a stop may take beyond the drain: readiness that goes, and the end of every process."""

DRAIN_TIMEOUT = 30.0
"""Seconds that requests in flight get, as gunicorn and tritonserver give them, where no grace period is known."""

SHORTEST_DRAIN = 1.0
"""Seconds that they get at least where nobody chose a number: a grace period without them is refused."""

KUBELET_SECONDS = 2.0
"""What the default leaves of a grace period: whoever counts it may have begun before the signal arrives."""

KUBERNETES_DRAIN_DELAY = 5.0
"""Seconds: endpoints and balancers learn only then that a pod that is not ready gets no new requests."""

KUBERNETES_GRACE_PERIOD = 30.0
"""Seconds: what Kubernetes gives a pod that does not name its own. The default drain timeout fits into it."""

_IN_KUBERNETES = "KUBERNETES_SERVICE_HOST"
"""Kubernetes gives this variable to every container."""

_BY_GRACE_PERIOD = "the grace period"
"""Sets the drain timeout where a grace period is known and no timeout."""

DRAIN_SETTINGS = {"delay": "drain_delay", "timeout": "drain_timeout", "grace": "grace_period"}
"""The setting for each field of `Drain`."""


@attrs.frozen
class HostConfig:
    """Every setting of the daemon; sizes are bytes, times seconds, a port of 0 means any free one.

    ``sources`` tells where a flag, a variable or the file set a setting: hooks may not change those (``fixed``).
    """

    targets: tuple[str, ...] = ()
    address: str = "127.0.0.1"
    http_port: int = 8000
    grpc_port: int = 8001
    metrics_port: int = 8002
    tritonserver: Path | None = None
    server_options: tuple[tuple[str, str], ...] = ()
    optional: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    plugins_dir: Path | None = None
    skip_broken_hooks: bool = False
    workers: int | None = None
    shm_initial: int = _POLICY.initial
    shm_max: int = _POLICY.max
    shm_total: int | None = None
    shm_growth: float = _POLICY.growth
    shm_on_full: OnFull = _POLICY.on_full
    shm_wait: float = _POLICY.wait
    shm_trim_after: float = _POLICY.trim_after
    shm_lend: bool = _POLICY.lend
    start_parallelism: int | None = None
    import_timeout: float = 60.0
    load_timeout: float = 60.0
    drain_delay: float = 0.0
    drain_timeout: float = DRAIN_TIMEOUT
    grace_period: float | None = None
    allow: tuple[str, ...] = ()
    forward_headers: tuple[str, ...] = ()
    forward_prefix: str | None = attrs.field(default=None, repr=False)
    run_dir: Path | None = None
    log_level: str = "info"
    log_format: str = "text"
    core_dumps: bool = False
    strict_security: bool = False
    reload: bool = False
    sources: Mapping[str, str] = attrs.field(factory=dict, eq=False)
    tables: Tables = attrs.Factory(Tables)

    @property
    def fixed(self) -> frozenset[str]:
        """The settings that are set; what Kubernetes or a grace period has as its default is not."""
        derived = (_IN_KUBERNETES, _BY_GRACE_PERIOD)
        return frozenset(name for name, source in self.sources.items() if source not in derived)

    @property
    def proven_headers(self) -> dict[str, str]:
        """The parameters of requests that can only have come as headers, and the headers' names, all in lower case."""
        prefix = self.forward_prefix
        return {prefix + name: name for name in self.forward_headers} if prefix else {}

    @property
    def drain(self) -> Drain:
        """How it stops."""
        return Drain(self.drain_delay, self.drain_timeout, self.grace_period)

    def with_default_drain(self) -> HostConfig:
        """The same with a drain timeout that fits, if none is set: what the grace period leaves."""
        grace, source = self.grace_period, _BY_GRACE_PERIOD
        if grace is None and self.sources.get("drain_timeout") == _IN_KUBERNETES:
            grace, source = KUBERNETES_GRACE_PERIOD, _IN_KUBERNETES
        if grace is None or "drain_timeout" in self.fixed:
            return self
        left = grace - self.drain_delay - END_SECONDS - KUBELET_SECONDS
        sources = {**self.sources, "drain_timeout": source}
        return attrs.evolve(self, drain_timeout=max(SHORTEST_DRAIN, left), sources=sources)

    def model(self, name: str) -> ModelSettings:
        """What the file says about one model."""
        return self.tables.models.get(name) or ModelSettings()


def load_config(
    targets: tuple[str, ...], flags: Mapping[str, object], environ: Mapping[str, str], directory: Path
) -> HostConfig:
    """The settings as ``flags`` (by name, and ``config``), ``environ`` and the file found in ``directory`` give them.

    ConfigError has a line for each flag, variable and key that is wrong: which one, and what to write instead.
    """
    problems = Problems()
    config = read_config(targets, flags, environ, directory, problems)
    problems.tell()
    return config


def read_config(
    targets: tuple[str, ...],
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    directory: Path,
    problems: Problems,
) -> HostConfig:
    """As `load_config`, with the defaults in the place of what goes to ``problems``."""
    chosen = flags.get("config") or environ.get(f"{PREFIX}CONFIG")
    file = read_config_file(Path(str(chosen)) if chosen else None, directory, problems)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting in SETTINGS:
        given = _given(setting, flags, environ, file)
        if given is not None:
            where, value, base = given
            sources[setting.name] = where
            with problems:
                values[setting.name] = _parsed(setting, where, value, base or directory)
    refused = sources.keys() - values.keys()
    if environ.get(_IN_KUBERNETES):
        values.setdefault("drain_delay", KUBERNETES_DRAIN_DELAY)
        sources = {**dict.fromkeys(("drain_delay", "drain_timeout"), _IN_KUBERNETES), **sources}
    config = HostConfig(targets=targets, sources=sources, tables=file.tables, **values).with_default_drain()
    _check_together(config, refused, problems)
    return config


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """One line for each ``PYTRITON_HOST_…`` variable that is no option, those of Kubernetes aside."""
    known = {setting.variable for setting in SETTINGS} | OTHER_VARIABLES
    names = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    return [
        f"the variable {one_line(name)} is no option and is ignored{suggestion(name, known)}"
        for name in names
        if not _KUBERNETES.fullmatch(name)
    ]


def _given(
    setting: Setting, flags: Mapping[str, object], environ: Mapping[str, str], file: ConfigFile
) -> tuple[str, object, Path | None] | None:
    """Where a setting is set first, the value as written there, and the folder that its relative paths start from."""
    if setting.name in flags:
        return setting.typed(flags[setting.name]), flags[setting.name], None
    if setting.variable in environ:
        return setting.variable, setting.from_variable(environ[setting.variable]), None
    if setting.name in file.values:
        return f"{file.path}: {setting.key}", file.values[setting.name], file.path.parent
    return None


def _parsed(setting: Setting, where: str, value: object, base: Path) -> object:
    try:
        parsed = setting.parse(value)
    except ValueError as error:
        raise ConfigError(*[f"{where}: {problem}" for problem in error.args]) from None
    return base.absolute() / parsed.expanduser() if isinstance(parsed, Path) else parsed


def check_drain(drain: Drain, remedy: str = "raise --grace-period") -> None:
    """ConfigError unless a stop fits into the grace period."""
    needed = drain.delay + drain.timeout + END_SECONDS
    if drain.grace is not None and drain.grace < needed:
        raise ConfigError(
            f"grace-period ({drain.grace:g} s) is less than a stop may take: drain-delay {drain.delay:g} + "
            f"drain-timeout {drain.timeout:g} + {END_SECONDS:g} s to end everything = {needed:g} s; {remedy}, or lower "
            "one of the two"
        )


def _check_together(config: HostConfig, wrong: Set[str], problems: Problems) -> None:
    """What settings contradict each other; those that are ``wrong`` by themselves contradict none."""
    for names, check in _CHECKS:
        if not wrong & names:
            with problems:
                check(config)
    if not wrong & {"shm_initial", "shm_max"}:
        problems.add(*_small_models(config))
    if config.fixed >= {*DRAIN_SETTINGS.values()} and not wrong & {*DRAIN_SETTINGS.values()}:
        with problems:  # else a hook plugin may have something to say about the rest
            check_drain(config.drain)


def _check_ports(config: HostConfig) -> None:
    ports = [port for port in (config.http_port, config.grpc_port, config.metrics_port) if port]
    if len(set(ports)) < len(ports):
        raise ConfigError(
            f"the ports {config.http_port} (HTTP), {config.grpc_port} (gRPC) and {config.metrics_port} (metrics) "
            "must differ; change one, or write 0 for any free port"
        )


def _check_forward_prefix(config: HostConfig) -> None:
    if config.forward_prefix and not config.forward_headers:
        raise ConfigError("forward_prefix: no header is forwarded; name headers with --forward-header")


def _check_shm_max(config: HostConfig) -> None:
    if config.shm_max < config.shm_initial:
        raise ConfigError(
            f"shm-max ({config.shm_max // MIB}MiB) is less than shm-initial ({config.shm_initial // MIB}MiB); "
            "raise --shm-max"
        )


def _check_shm_total(config: HostConfig) -> None:
    if config.shm_total is not None and config.shm_total < config.shm_initial:
        raise ConfigError(
            f"shm-total ({config.shm_total // MIB}MiB) is less than shm-initial ({config.shm_initial // MIB}MiB); "
            "raise --shm-total"
        )


_CHECKS: tuple[tuple[Set[str], Callable[[HostConfig], None]], ...] = (
    ({"http_port", "grpc_port", "metrics_port"}, _check_ports),
    ({"forward_prefix", "forward_headers"}, _check_forward_prefix),
    ({"shm_initial", "shm_max"}, _check_shm_max),
    ({"shm_initial", "shm_total"}, _check_shm_total),
)
"""Which settings must go together, and what looks at them."""


def _small_models(config: HostConfig) -> Iterator[str]:
    """A line for each model whose own limit is below what it begins with."""
    for name, model in config.tables.models.items():
        initial, most = model.shm_initial or config.shm_initial, model.shm_max or config.shm_max
        if (model.shm_initial or model.shm_max) and most < initial:
            yield (
                f"{config.tables.path}: models.{one_line(name)}.shm: max ({most // MIB}MiB) is less than initial "
                f"({initial // MIB}MiB); raise max"
            )
