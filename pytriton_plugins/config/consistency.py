"""Checks of settings that depend on each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

from pytriton_plugins.config.host_config import DRAIN_SETTINGS, HostConfig, check_drain
from pytriton_plugins.config.problems import Problems
from pytriton_plugins.config.readers import MIB
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line


def check_together(config: HostConfig, invalid: Set[str], problems: Problems) -> None:
    """Finds settings that contradict each other; those that are ``invalid`` themselves are left out."""
    for names, check in _CHECKS:
        if not invalid & names:
            with problems:
                check(config)
    if not invalid & {"shm_initial", "shm_max"}:
        problems.add(*_small_models(config))
    if config.fixed >= {*DRAIN_SETTINGS.values()} and not invalid & {*DRAIN_SETTINGS.values()}:
        with problems:  # only then: a hook plugin may choose those that are not set
            check_drain(config.drain)


def _check_ports(config: HostConfig) -> None:
    ports = [port for port in (config.http_port, config.grpc_port, config.metrics_port) if port]
    if len(set(ports)) < len(ports):
        raise ConfigError(
            f"ports {config.http_port} (HTTP), {config.grpc_port} (gRPC) and {config.metrics_port} (metrics) "
            "must differ; change one, or write 0 for any free port"
        )


def _check_forward_prefix(config: HostConfig) -> None:
    if config.forward_prefix and not config.forward_headers:
        raise ConfigError("forward_prefix: no header is forwarded; add --forward-header NAME")


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
"""Settings that depend on each other, and the check of each group."""


def _small_models(config: HostConfig) -> Iterator[str]:
    """A line for each model whose own maximum is below its initial size."""
    for name, model in config.tables.models.items():
        initial, maximum = model.shm_initial or config.shm_initial, model.shm_max or config.shm_max
        if (model.shm_initial or model.shm_max) and maximum < initial:
            yield (
                f"{config.tables.path}: models.{one_line(name)}.shm: max ({maximum // MIB}MiB) is less than initial "
                f"({initial // MIB}MiB); raise max"
            )
