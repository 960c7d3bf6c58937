"""The start of a host until the daemon takes over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.host.config_parts import server_settings
from pytriton_plugins.host.control.paths import HostPaths
from pytriton_plugins.host.daemon import Daemon
from pytriton_plugins.host.log.recent_errors import RecentErrors
from pytriton_plugins.host.log.setup import Log, set_up_logging
from pytriton_plugins.host.preflight import prepare
from pytriton_plugins.host.system.hardening import forbid_core_dumps
from pytriton_plugins.host.system.lifeline import Lifeline
from pytriton_plugins.host.system.network import in_container, is_loopback
from pytriton_plugins.host.system.resource_limits import raise_descriptors
from pytriton_plugins.host.system.run_dir import RunDir
from pytriton_plugins.host.triton.options import warn_of_server_options

_LOG = logging.getLogger("pytriton.host")
_LOG_TIMEOUT = 0.3
"""Seconds for the last lines of the log, if their reader is slow."""


def run(config: HostConfig, lifeline: Lifeline | None = None) -> int:
    """Serve until a signal says stop; the exit code. Raises PytritonPluginsError when the start is impossible.

    ``lifeline``: the process that started this one has the other end, and the daemon stops with it.
    """
    log = set_up_logging(config.log_level, config.log_format)
    try:
        with log.stand_in():
            return _run(config, log, lifeline)
    finally:
        log.close(_LOG_TIMEOUT)


def _run(config: HostConfig, log: Log, lifeline: Lifeline | None) -> int:
    errors = RecentErrors.watching("pytriton")
    os.umask(0o077)
    if not config.core_dumps:
        forbid_core_dumps()
    raise_descriptors()
    # Nothing that would have to be removed is made meanwhile.
    with contextlib.nullcontext() if lifeline is None else lifeline.ending_this_process():
        prepared = prepare(config)
    config = prepared.config
    warn_of_server_options(server_settings(config))
    if is_loopback(config.address) and in_container() and not config.owned:
        _LOG.warning(
            "listening on %s only: nothing outside this container can reach it; add --address 0.0.0.0", config.address
        )
    run_dir = RunDir(config.run_dir)
    try:
        daemon = Daemon(prepared, HostPaths.within(run_dir.path), run_dir, errors, log)
        return asyncio.run(daemon.run(lifeline))
    finally:
        run_dir.remove()
