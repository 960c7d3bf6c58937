"""What the daemon asks of the kernel: processes, ports, addresses, limits, its private folder."""
