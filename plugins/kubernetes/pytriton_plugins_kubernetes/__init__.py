"""A pod's grace period and memory limit, and a file that makes the daemon not ready.

All hooks run in the daemon's process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from pytriton_plugins import hookimpl
from pytriton_plugins.limits import END_SECONDS, MIN_DRAIN_TIMEOUT, container_memory
from pytriton_plugins.values import MIB, Drain, ShmPolicy, Verdict
from pytriton_plugins_kubernetes.not_ready_file import objection
from pytriton_plugins_kubernetes.options import Options

GRACE_PERIOD = "POD_TERMINATION_GRACE_PERIOD"
MEMORY_LIMIT = "POD_MEMORY_LIMIT"

ROOT = Path("/")
"""The folder of ``sys`` and ``proc``, which have the limits of the container."""

_LOG = logging.getLogger("pytriton.kubernetes")


@hookimpl
def pytriton_choose_drain(default: Drain, settings: Mapping[str, Any]) -> Drain | None:
    """The pod's grace period; what it leaves is the drain timeout."""
    Options.of(settings), memory_limit()  # a mistake in them ends the start here, before anything runs
    pod = _number(GRACE_PERIOD, "whole seconds, the same as terminationGracePeriodSeconds")
    if pod is None:
        return None
    timeout = min(default.timeout, MIN_DRAIN_TIMEOUT)
    needed = default.delay + timeout + END_SECONDS
    if pod < needed:
        raise ValueError(
            f"the pod's grace period ({GRACE_PERIOD}={pod}) is {needed - pod:g} s too short: drain-delay "
            f"{default.delay:g} + drain-timeout {timeout:g} + {END_SECONDS:g} s to end everything = "
            f"{needed:g} s; raise terminationGracePeriodSeconds and the variable"
        )
    return attrs.evolve(default, grace=float(pod) if default.grace is None else min(pod, default.grace))


@hookimpl
def pytriton_choose_shm_policy(default: ShmPolicy, settings: Mapping[str, Any]) -> ShmPolicy | None:
    """A part of the memory limit for each model; None without a limit."""
    limit, options = memory_limit(), Options.of(settings)
    if limit is None:
        return None
    part = int(limit[0] * options.share / options.models)
    return attrs.evolve(default, max=max(default.initial, min(default.max, part)))


@hookimpl
def pytriton_check_readiness(settings: Mapping[str, Any]) -> Verdict | None:
    """Not ready while the file exists."""
    return objection(Options.of(settings).not_ready_file)


@hookimpl
def pytriton_on_host_start(settings: Mapping[str, Any]) -> None:
    """Log which limits are used and where they come from."""
    options, limit, pod = Options.of(settings), memory_limit(), os.environ.get(GRACE_PERIOD)
    grace = f"a grace period of {pod} s from {GRACE_PERIOD}" if pod else f"no grace period ({GRACE_PERIOD} is not set)"
    memory = "no memory limit"
    if limit is not None:
        memory = f"a memory limit of {limit[0] / MIB:.1f} MiB from {limit[1]}"
        models = f"{options.models} model{'' if options.models == 1 else 's'}"
        memory += f", {options.share:g} of it for the shared memory of {models}"
    file = f"{options.not_ready_file} from {options.source}"
    level = logging.INFO if pod or limit is not None else logging.DEBUG  # DEBUG outside a pod
    _LOG.log(level, "using %s; %s; not-ready file %s", grace, memory, file)
    if old := objection(options.not_ready_file):  # in a volume it outlives the container that made it
        _LOG.warning("%s since before this start: not ready until it is removed", old.reason)


def memory_limit() -> tuple[int, str] | None:
    """Bytes that the container may use, and the source of that limit; None without a limit."""
    variable = _number(MEMORY_LIMIT, "bytes, as the resourceFieldRef limits.memory gives them")
    if variable:
        return variable, MEMORY_LIMIT
    limit = container_memory(ROOT)
    return None if limit is None else (limit, "the container's cgroup")


def _number(variable: str, meaning: str) -> int | None:
    """The variable's value; None where it is not set, or empty."""
    text = os.environ.get(variable, "")
    if text and not (text.isascii() and text.isdecimal()):
        raise ValueError(f"variable {variable} is {text!r}; write {meaning}")
    return int(text) if text else None
