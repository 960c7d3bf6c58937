"""The part of the configuration that each package of the daemon gets, as the options class of that package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytriton_plugins.host.system.network import front_end_ports, listens
from pytriton_plugins.host.system.ports import PortSettings
from pytriton_plugins.host.triton.options import ServerSettings
from pytriton_plugins.host.workers.launching import LaunchSettings
from pytriton_plugins.values import Ports

if TYPE_CHECKING:
    from pytriton_plugins.config.host_config import HostConfig

_PROTOCOLS = ("http", "grpc", "metrics")


def server_settings(config: HostConfig) -> ServerSettings:
    """How tritonserver is started."""
    return ServerSettings(
        config.address,
        config.server_options,
        config.allow,
        config.forward_headers,
        config.forward_prefix,
        config.strict_security,
        config.load_timeout,
    )


def port_settings(config: HostConfig) -> PortSettings:
    """Which ports the daemon may listen on."""
    return PortSettings(
        config.address,
        Ports(config.http_port, config.grpc_port, config.metrics_port),
        frozenset(name for name in _PROTOCOLS if f"{name}_port" in config.fixed),
        frozenset(name for name in _PROTOCOLS if not listens(config.server_options, name)),
        front_end_ports(config.server_options),
    )


def launch_settings(config: HostConfig) -> LaunchSettings:
    """How workers are started."""
    return LaunchSettings(config.plugins_dir, config.reload, config.tables.plugins, config.import_path)
