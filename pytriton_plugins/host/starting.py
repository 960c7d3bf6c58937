"""What is checked, chosen and made before the daemon starts its first child; runs in the host."""

from __future__ import annotations

import asyncio
import logging
import os

from pytriton_plugins.config import HostConfig
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.host.addresses import is_loopback, with_address
from pytriton_plugins.host.container import in_container
from pytriton_plugins.host.daemon import Host
from pytriton_plugins.host.hardening import forbid_core_dumps
from pytriton_plugins.host.limits import check_limits, least_demand, raise_descriptors
from pytriton_plugins.host.locate import find_tritonserver
from pytriton_plugins.host.logs import set_up_logging
from pytriton_plugins.host.ports import choose_ports
from pytriton_plugins.host.preparing import hooks_of, plugin_records, with_drain, with_server_options
from pytriton_plugins.host.recent_errors import RecentErrors
from pytriton_plugins.host.run_dir import RunDir

_LOG = logging.getLogger("pytriton.host")
_LOG_PATIENCE = 0.3
"""Seconds that the last lines of the log get, for a reader that is slow."""


def run(config: HostConfig) -> int:
    """Serve until a signal says stop; the exit code. Raises PytritonPluginsError when the start is impossible."""
    log = set_up_logging(config.log_level, config.log_format)
    try:
        return _run(config)
    finally:
        log.close(_LOG_PATIENCE)


def _run(config: HostConfig) -> int:
    errors = RecentErrors.watching("pytriton")
    os.umask(0o077)
    if not config.core_dumps:
        forbid_core_dumps()
    hooks = hooks_of(config)
    records = plugin_records(config, hooks)
    if not records:
        raise ConfigError(
            "there is nothing to serve: no model plugin is installed; install one, or name a file: "
            "pytriton-host serve model.py"
        )
    found = find_tritonserver(config.tritonserver, hooks)
    config = with_address(with_drain(with_server_options(config, hooks, found), hooks))
    raise_descriptors()
    check_limits(least_demand(config, sum(not record.error for record in records)))
    ports = choose_ports(config, hooks)
    if is_loopback(config.address) and in_container():
        _LOG.warning(
            "listening on %s only: nothing outside this container can reach it; add --address 0.0.0.0", config.address
        )
    run_dir = RunDir(config.run_dir)
    try:
        return asyncio.run(Host(config, hooks, found, ports, run_dir, errors).live(records))
    finally:
        run_dir.remove()
