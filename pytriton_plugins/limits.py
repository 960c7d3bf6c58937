"""How much memory and how many threads this process may use; for hook plugins and for the daemon."""

from __future__ import annotations

from pytriton_plugins.host.memory.system_limits import container_memory, machine_memory

__all__ = ["container_memory", "machine_memory"]
