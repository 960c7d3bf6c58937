"""The daemon's settings with their sources, as one value; `loading` makes it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs

from pytriton_plugins.config.readers import ATTACH
from pytriton_plugins.config.settings import DaemonSettings
from pytriton_plugins.config.tables import ModelSettings, Tables
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.values import Drain

END_SECONDS = 3.0
"""Seconds that a stop may take beyond the drain: to withdraw readiness, and to end every process."""

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
class HostConfig(DaemonSettings):
    """The settings (settings.py has the fields), the ``targets`` of the command line and the tables of the file.

    ``sources`` names the flag, variable or key that set a setting: hooks may not change those (``fixed``).
    ``owned``: a `Host` of a program started this daemon. ``only_targets``: installed plugins are served where
    ``plugins`` names them, beside the targets. Workers look for modules in the folders of ``import_path`` after all
    others.
    """

    targets: tuple[str, ...] = ()
    owned: bool = False
    only_targets: bool = False
    import_path: tuple[str, ...] = ()
    sources: Mapping[str, str] = attrs.field(factory=dict, eq=False)
    tables: Tables = attrs.Factory(Tables)

    @property
    def fixed(self) -> frozenset[str]:
        """The settings that a user set; defaults that come from Kubernetes or a grace period are not among them."""
        derived = (IN_KUBERNETES, _BY_GRACE_PERIOD)
        return frozenset(name for name, source in self.sources.items() if source not in derived)

    @property
    def serves_installed(self) -> bool:
        """Whether installed plugins are served: all without targets, or those that ``plugins`` names."""
        return bool(self.plugins) if self.only_targets else not self.targets

    @property
    def may_attach(self) -> bool:
        """Whether other processes of this user may attach callables; that of a script, which owns this daemon, may."""
        return ATTACH in self.allow or self.owned

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
