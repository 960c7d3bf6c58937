"""Names of what a host puts into its folder, for the host and for commands that look for one; no imports."""

FOLDER_PREFIX = "pytriton-host-"
"""A host's own folder, in the configured one or among the temporary files."""

CONTROL_SOCKET = "control.sock"
"""In it: where the host answers (host/control/server.py)."""
