"""Limits that hook plugins can look up: memory of the container and the machine, seconds of a stop."""

from __future__ import annotations

from pytriton_plugins.config.host_config import END_SECONDS, MIN_DRAIN_TIMEOUT
from pytriton_plugins.host.memory.system_limits import container_memory, machine_memory

__all__ = ["END_SECONDS", "MIN_DRAIN_TIMEOUT", "container_memory", "machine_memory"]
