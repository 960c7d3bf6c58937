"""The commands of `pytriton-host`, one a module; each module has its click command as ``command``."""

from __future__ import annotations

COMMANDS = {
    name: f"{__name__}.{name}"
    for name in (
        "serve",
        "list",
        "check",
        "hooks",
        "config",
        "new",
        "image",
        "infer",
        "debug",
        "status",
        "health",
        "models",
        "manifests",
    )
}
"""The module of each command, in the order of the help. It is imported when the command is called or shown."""
