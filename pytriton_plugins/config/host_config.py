"""The daemon's settings, as one value; `loading` makes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import attrs

from pytriton_plugins.config.tables import ModelSettings, Tables
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.values import Drain, OnFull, ShmPolicy

_POLICY = ShmPolicy()

END_SECONDS = 3.0
"""Seconds that a stop may take beyond the drain: to withdraw readiness, and to end every process."""

DRAIN_TIMEOUT = 30.0
"""Seconds for requests in flight where no grace period is known; the same as gunicorn's and tritonserver's."""

MIN_DRAIN_TIMEOUT = 1.0
"""The shortest default of the drain timeout, in seconds: a shorter grace period is an error."""

KUBELET_SECONDS = 2.0
"""Seconds that the default leaves of a grace period: the kubelet may start its clock before the signal arrives."""

KUBERNETES_DRAIN_DELAY = 5.0
"""Seconds until endpoints and load balancers send no new requests to a pod that is not ready."""

KUBERNETES_GRACE_PERIOD = 30.0
"""Seconds: Kubernetes' own default for a pod. The default drain timeout fits into it."""

IN_KUBERNETES = "KUBERNETES_SERVICE_HOST"
"""A variable that Kubernetes sets in every container."""

_BY_GRACE_PERIOD = "the grace period"
"""The source of a drain timeout that is derived from the grace period."""

DRAIN_SETTINGS = {"delay": "drain_delay", "timeout": "drain_timeout", "grace": "grace_period"}
"""The setting for each field of `Drain`."""


@attrs.frozen
class HostConfig:
    """Every setting of the daemon; sizes are bytes, times seconds, a port of 0 means any free one.

    ``sources`` names the flag, variable or key that set a setting: hooks may not change those (``fixed``).
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
        """The settings that a user set; defaults that come from Kubernetes or a grace period are not among them."""
        derived = (IN_KUBERNETES, _BY_GRACE_PERIOD)
        return frozenset(name for name, source in self.sources.items() if source not in derived)

    @property
    def proven_headers(self) -> dict[str, str]:
        """Request parameters that can only come from headers, with the headers' names; all in lower case."""
        prefix = self.forward_prefix
        return {prefix + name: name for name in self.forward_headers} if prefix else {}

    @property
    def drain(self) -> Drain:
        """The settings of a stop."""
        return Drain(self.drain_delay, self.drain_timeout, self.grace_period)

    @property
    def startup_seconds(self) -> int:
        """The longest start of a model, in whole seconds: its import, its set-up, and its load into Triton."""
        return math.ceil(self.import_timeout + 2 * self.load_timeout)

    def with_default_drain(self) -> HostConfig:
        """A copy whose drain timeout, unless it is set, is the rest of the grace period."""
        grace, source = self.grace_period, _BY_GRACE_PERIOD
        if grace is None and self.sources.get("drain_timeout") == IN_KUBERNETES:
            grace, source = KUBERNETES_GRACE_PERIOD, IN_KUBERNETES
        if grace is None or "drain_timeout" in self.fixed:
            return self
        rest = grace - self.drain_delay - END_SECONDS - KUBELET_SECONDS
        sources = {**self.sources, "drain_timeout": source}
        return attrs.evolve(self, drain_timeout=max(MIN_DRAIN_TIMEOUT, rest), sources=sources)

    def model(self, name: str) -> ModelSettings:
        """The file's settings of one model."""
        return self.tables.models.get(name) or ModelSettings()


DEFAULT_STARTUP_SECONDS = HostConfig().startup_seconds


def check_drain(drain: Drain, remedy: str = "raise --grace-period") -> None:
    """ConfigError unless a stop fits into the grace period."""
    needed = drain.delay + drain.timeout + END_SECONDS
    if drain.grace is not None and drain.grace < needed:
        raise ConfigError(
            f"grace-period ({drain.grace:g} s) is less than a stop may take: drain-delay {drain.delay:g} + "
            f"drain-timeout {drain.timeout:g} + {END_SECONDS:g} s to end everything = {needed:g} s; {remedy}, or lower "
            "drain-delay or drain-timeout"
        )
