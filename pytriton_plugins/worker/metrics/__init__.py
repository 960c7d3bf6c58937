"""The metrics that a callable counts, and how the daemon learns of them; runs in workers."""
