"""The operating system: processes, ports, addresses, limits, and the daemon's private folder."""
